@0xc9b1d4f07a6e2538;

using Cxx = import "/capnp/c++.capnp";
using Troupe = import "/troupe/envelope.capnp";
using Text = import "parts/words.capnp";
$Cxx.namespace("consumer");

struct Hello {
  words @0 :Text.Words;
  from @1 :Troupe.Address;
}
