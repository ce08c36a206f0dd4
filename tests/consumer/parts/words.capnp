@0x8d35f6a2e91c047b;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("consumer");

struct Words {
  text @0 :Text;
}
