@0xbd566a468ea46ebc;

struct Add {
  a @0 :Int32;
  b @1 :Int32;
}

struct Sum {
  value @0 :Int32;
}
