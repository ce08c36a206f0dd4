@0xa5d0c8be7f14623d;
# Messages of the reference programs.

struct Mail {
  number @0 :UInt64;
  kind @1 :UInt32;
  body @2 :Data;
}

struct Batch {
  first @0 :UInt64;
  items @1 :List(Int64);
}
