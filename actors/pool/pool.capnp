@0xd8f1b0c35a7e4962;
# A pool of workers that is an actor: who knows its address may give it calls.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::actors::pool_messages");

struct Place {
  # A function of the program: which loaded object, and where in it.
  buildId @0 :Data;
  offset @1 :UInt64;
}

struct Call {
  stub @0 :Place;       # decodes, calls, encodes
  function @1 :Place;   # what the stub calls; null for a lambda
  name @2 :Text;
  arguments @3 :Data;   # as docs/wire.md encodes plain values
  urgent @4 :Bool;      # before calls that are not
}

struct Result {
  value @0 :Data;
}

struct Ask {}           # for a State

struct State {
  done @0 :UInt64;
  failed @1 :UInt64;
  retried @2 :UInt64;
  restarts @3 :UInt64;
  workers @4 :UInt32;
}
