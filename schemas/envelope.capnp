@0xb7e1c0a4d25f8e13;
# The protocol between two processes of a Troupe program. Every message on a data pipe and on a
# control socket is one Envelope in Cap'n Proto's standard stream framing. See docs/wire.md.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::schema");

const protocolVersion :UInt32 = 1;

struct Envelope {
  number @0 :UInt64;
  # Request, tell, bind and unbind: place of this message among those its sender wrote to the data
  # pipe, counted from 1. Answer and failure: number of the request they answer. Otherwise 0.

  target @1 :UInt64;
  # Actor in the receiving process, as the receiver's parent numbered it; 0 is the process itself.

  schemaId @2 :UInt64;
  # Type id of the struct in body.structure; 0 otherwise.

  kind @3 :Kind;
  priority @4 :UInt8;   # 0 normal, 1 high

  sender @14 :UInt16;
  # Actor that sent this, as its process numbered it on this link; 0: nobody. The first message with
  # a number, and any that gives it to another actor, has that actor's address in context.sender.

  context @5 :Context;  # null when the message needs none of it

  body :union {
    none @6 :Void;
    plain @7 :Data;             # C++ values, encoded as docs/wire.md says
    structure @8 :AnyPointer;   # a schema struct, its type in schemaId
    failure @9 :Failure;
    hello @10 :Hello;
    bind @11 :Bind;
    arena @12 :Arena;           # payload lies in the link's shared arena
    exit @13 :Exit;
  }

  enum Kind {
    # data pipe
    request @0;   # wants exactly one answer or failure
    tell @1;      # wants none
    answer @2;
    failure @3;
    bind @4;      # makes `target` an actor of the receiver
    unbind @5;    # ends it
    expect @14;   # to a process that has no actor yet: the first is about to come
    watch @12;    # a request that is answered when its actor ends, with the reason
    exit @9;      # from a worker: the actor that it was started for has ended, with the reason
    part @13;     # from a worker: a piece of the answer that is still to come
    # control socket
    hello @6;     # first message of a worker
    stop @7;      # end after the message in progress
    cancel @8;    # drop what `target` has not begun
    down @10;     # from a worker: a process below it has ended
    descriptors @11;  # carries descriptors (SCM_RIGHTS) for the arena or a direct link
  }
}

struct Address {
  # Where an actor lives: the same on every link, and never reused.
  incarnationHigh @0 :UInt64;  # 128 random bits of the process
  incarnationLow @1 :UInt64;
  number @2 :UInt64;           # of the actor in that process
  path @3 :List(UInt32);       # from the root of the tree to the process
}

struct Context {
  sender @0 :Address;
  deadlineNs @1 :UInt64;       # CLOCK_MONOTONIC; 0: none
  traceParent @2 :Text;        # W3C trace context
  receiver @3 :Address;        # when it is not `target` of the process that reads this
  early @4 :Bool;              # sent while its actor is being made: not before that is ready
}

struct Failure {
  code @0 :Code;
  text @1 :Text;

  enum Code {
    # Names are the contract; a receiver maps them by name, never by number, to its own errors.
    unknown @0;
    notStarted @1;
    workerLost @2;
    stopped @3;
    gaveUp @4;
    startFailed @5;
    mailboxFull @6;
    tooLarge @7;
    badMessage @8;
    unknownMessage @9;
    exception @10;
    unanswered @11;
    refused @12;
    deadline @13;
    cancelled @14;
    discarded @15;
  }
}

struct Code {
  # A function of the program: which loaded object, and where in it.
  buildId @0 :Data;
  offset @1 :UInt64;
}

struct Hello {
  protocolVersion @0 :UInt32;
  buildId @1 :Data;            # of the worker's executable; empty: not the parent's program
  pid @2 :Int32;               # 0: not told
}

struct Bind {
  stub @0 :Code;               # decodes, calls, encodes
  function @1 :Code;           # what the stub calls; null for lambdas
  name @2 :Text;
  once @3 :Bool;               # the process ends after one request, with the answer as exit code
  actor @4 :Bool;              # the stub makes an actor, to which all but the first message goes
  path @5 :List(UInt32);       # of the process that receives this
  incarnation @6 :UInt64;      # likewise
  limits @7 :List(Limit);      # that it takes upon itself
  nice @8 :Int8 = 127;         # 127: as it is
  cpus @9 :List(UInt16);       # empty: any
  control @11 :Bool;           # it may open a control socket, as its parent does
  predecessor @10 :Data;       # how the last process in this place ended, as plain values
}

struct Limit {
  resource @0 :Resource;
  value @1 :UInt64;            # soft and hard; see setrlimit(2)

  enum Resource {
    addressSpace @0;
    data @1;
    stack @2;
    core @3;
    file @4;
    openFiles @5;
    processes @6;
    cpuSeconds @7;
  }
}

struct Arena {
  slot @0 :UInt32;
  words @1 :UInt64;
  schemaId @2 :UInt64;
}

struct Exit {
  actor @0 :Address;
  reason @1 :Text;
}
