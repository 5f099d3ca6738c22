/** A GraphQL server: queries, mutations, errors, and a subscription by Server-Sent Events. */

import { GraphQLError } from 'graphql'
import { createSchema, createYoga } from 'graphql-yoga'

interface Book {
  readonly id: string
  readonly title: string
}

const books: Book[] = [{ id: '1', title: 'Sand' }]

const schema = createSchema<{ readonly MODE: string }>({
  typeDefs: /* GraphQL */ `
    type Book { id: ID! title: String! pages(at: Int = 1): [Int!]! }
    type Query { mode: String! book(id: ID!): Book books: [Book!]! secret: String broken: String }
    type Mutation { add(title: String!): Book! }
    type Subscription { countdown(from: Int!): Int! }
  `,
  resolvers: {
    Query: {
      mode: (_, __, { MODE }) => MODE,
      book: (_, { id }: { readonly id: string }) => books.find((book) => book.id === id),
      books: () => books,
      secret: () => {
        throw new GraphQLError('not for you', { extensions: { code: 'FORBIDDEN' } })
      },
      broken: () => {
        throw new Error('a detail that visitors must not see')
      },
    },
    Book: { pages: (_, { at }: { readonly at: number }) => [at, at + 1] },
    Mutation: {
      add: (_, { title }: { readonly title: string }) => {
        const book = { id: String(books.length + 1), title }
        books.push(book)
        return book
      },
    },
    Subscription: {
      countdown: {
        subscribe: async function* (_: unknown, { from }: { readonly from: number }) {
          for (let left = from; left > 0; left -= 1) {
            await new Promise((resolve) => setTimeout(resolve, 2))
            yield { countdown: left }
          }
        },
      },
    },
  },
})

const yoga = createYoga<{ readonly MODE: string }>({ schema, graphqlEndpoint: '/graphql', landingPage: false })

export default { fetch: yoga.fetch }
