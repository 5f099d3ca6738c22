#!/usr/bin/env node
console.log("local grove", process.version)
