@0xccb618c51e63792a;
# What a running program answers on its control socket. A request and its answer are one message each
# in Cap'n Proto's standard stream framing; the next request comes after the answer to the last one.
# See docs/tool.md.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("troupe::schema");

const maxControlRequestBytes :UInt32 = 2048;

struct ControlRequest {
  union {
    tree @0 :Void;      # answered with the tree
    watch @1 :Void;     # the same, and again after each change and each second, until the socket closes
    stop @2 :Void;      # ends all processes in order; answered when they have ended
    restart @3 :Text;   # a supervised child, by its path, the last part of it, or its process id; answered when it is ready
  }
}

struct ControlAnswer {
  union {
    tree @0 :Tree;
    stopped @1 :Void;
    restarted @2 :Restarted;
    refused @3 :Text;   # one sentence; nothing was done
  }
}

struct Tree {
  program @0 :Text;
  pid @1 :Int32;
  inTree @4 :Bool;             # it is a part of another process's tree
  nodes @2 :List(TreeNode);    # in the order of a walk: parents before children, children in start order
  takenNs @3 :UInt64;          # CLOCK_MONOTONIC
}

struct TreeNode {
  depth @0 :UInt16;            # 0: the process that answers; a parent is the last node before of depth - 1
  name @1 :Text;
  path @2 :Text;               # of a supervised child: ids from its supervisor on top down, "services/store"
  role @3 :Text;               # what it does: program, actor, function, or a supervisor's strategy
  state @4 :State;
  pid @5 :Int32;               # 0: it has no process (of its own)
  uptimeNs @6 :UInt64;         # of its present process
  restarts @7 :UInt32;         # since it was added
  waiting @8 :UInt64;          # messages for it that it has not begun

  enum State {
    running @0;
    starting @1;
    stopping @2;
    restarting @3;             # down, about to be started again
    down @4;                   # nothing will start it but a call
  }
}

struct Restarted {
  path @0 :Text;
  pidBefore @1 :Int32;         # 0: it had no process
  pid @2 :Int32;
}
