# Varnish in front of Grove, for Varnish 6.6 and later with vmod_xkey (Debian: varnish, varnish-modules).
#
#   visitor --TLS--> a TLS terminator --> Varnish --> Grove's plain listener (listen.plain)
#
# In Grove's config: listen.plain with the port below, trustedProxies with the address of this Varnish, and
# cdnVarnish({ urls: ['http://<this varnish>:6081'] }). Adapt the three places marked "adapt".

vcl 4.1;

import std;
import xkey;

# adapt: where Grove's plain listener is.
backend default {
  .host = "127.0.0.1";
  .port = "8081";
}

# adapt: who may purge, that is the machine on which Grove's control process runs.
acl purgers {
  "127.0.0.1";
  "::1";
}

# adapt: who speaks TLS with visitors and says so in X-Forwarded-Proto.
acl tls_terminators {
  "127.0.0.1";
  "::1";
}

sub vcl_recv {
  # Varnish has put client.ip at the end of X-Forwarded-For; Grove reads it from the right.
  if (remote.ip !~ tls_terminators || !req.http.X-Forwarded-Proto) {
    set req.http.X-Forwarded-Proto = "http";
  }

  if (req.method == "PURGE") {
    # A comma means that somebody else is behind the address that asks: a visitor, by way of the TLS terminator.
    if (client.ip !~ purgers || req.http.X-Forwarded-For ~ ",") {
      return (synth(403, "Forbidden"));
    }
    unset req.http.X-Purged;
    if (req.http.xkey) {
      set req.http.X-Purged = xkey.purge(req.http.xkey);
      return (synth(200, "Purged"));
    }
    return (purge);
  }

  if (req.http.Upgrade ~ "(?i)^websocket$") {
    return (pipe);
  }

  # Signed-in visitors get pages of their own. This stands before anything that takes cookies away, so that a rule
  # added for another cookie cannot hand one visitor's page to the next.
  if (req.http.Cookie ~ "(^|;\s*)__Host-grove=") {
    return (pass);
  }

  # Everything else as Varnish has it built in: other methods, Authorization and any other cookie are passed.
}

sub vcl_hash {
  # One page, one object, whatever port the visitor came by; purges name no port.
  hash_data(req.url);
  hash_data(regsub(req.http.Host, ":[0-9]+$", ""));
  return (lookup);
}

sub vcl_pipe {
  # The two headers that make a WebSocket (RFC 6455 section 4.1) are hop-by-hop: Varnish does not copy them by itself.
  if (req.http.Upgrade) {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = "Upgrade";
  }
}

sub vcl_backend_response {
  if (beresp.http.CDN-Cache-Control) {
    # RFC 9213 section 2.2: what is said to caches like this one stands in the place of Cache-Control.
    if (beresp.http.CDN-Cache-Control ~ "(?i)(^|[,\s])(no-store|no-cache|private)") {
      set beresp.ttl = 0s;
    } elsif (beresp.status == 200 || beresp.status == 301 || beresp.status == 308 || beresp.status == 404 || beresp.status == 410) {
      set beresp.ttl = std.duration(
        regsub(beresp.http.CDN-Cache-Control, "(?i)^(?:.*[,\s])?max-age=([0-9]+).*$", "\1") + "s", 0s);
    }
    # It was meant for this cache; visitors and caches behind it go by Cache-Control.
    unset beresp.http.CDN-Cache-Control;
  } elsif (!beresp.http.Cache-Control && !beresp.http.Expires) {
    # Nobody said that this may be kept, and nothing would purge it.
    set beresp.ttl = 0s;
  }
  if (beresp.status != 404 && beresp.http.xkey ~ "(^| )nf-") {
    # The page for what is not found, asked for by its own name: that one stays when a path comes or goes.
    set beresp.http.xkey = regsuball(beresp.http.xkey, "(^| )nf-[^ ]+", "");
  }
  # A ttl of 0, Set-Cookie, Vary: * and a private Cache-Control make the built-in rules pass the answer through.
}

sub vcl_deliver {
  unset resp.http.xkey;
}

sub vcl_synth {
  if (req.method == "PURGE") {
    # How many objects went, for the receipt.
    set resp.http.Purged = req.http.X-Purged;
    set resp.http.Content-Type = "text/plain; charset=utf-8";
    set resp.body = resp.reason + {"
"};
    return (deliver);
  }
}
