@0xd2f0a9c1b35e7746;
# Messages of the tests.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("test");

using Troupe = import "/troupe/envelope.capnp";

struct Point {
  x @0 :Int32;
  y @1 :Int32;
}

struct Shape {
  name @0 :Text;
  corners @1 :List(Point);
  holes @2 :List(Shape);
}

struct Errand {
  receiver @0 :Troupe.Address;
  text @1 :Text;
}
