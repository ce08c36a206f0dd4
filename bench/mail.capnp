@0xe1a5c3b7d2f40961;

struct Mail {
  number @0 :UInt64;
  body @1 :Data;  # 64 bytes
}
