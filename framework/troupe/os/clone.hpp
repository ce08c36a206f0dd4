#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <vector>

#include "troupe/os/program_start.hpp"
#include "troupe/os/zygote.hpp"

/// How a zygote makes processes, which are its owner's children, and what they do until they are
/// what they are to be.
namespace troupe::os {

/// A worker that is to be executed, as the child needs it: everything is prepared before the clone,
/// because the child shares the zygote's memory until its exec and may not allocate.
struct child_plan {
  pid_t owner = -1;
  worker_ends ends{};
  int executable = -1;
  rlimit descriptors{};  ///< as it was before the zygote raised its own
  const char* path = nullptr;
  std::vector<char*> arguments;
  int group = -1;        ///< folder of its control group
  exec_failure failure;  ///< written by the child through shared memory
};

struct any_program {
  program_execution what;
  pid_t owner;
  rlimit descriptors;
};

struct clone_result {
  pid_t pid = -1;         ///< 0 in the worker; -1: not made, with errno
  bool is_placed = true;  ///< it began its life in its group
};

/// Both return when the child has been executed or has failed, and cost the same for a large
/// process. -1, with errno: there is no child. Source: clone(2).
pid_t clone_and_execute(child_plan& plan, int& pidfd);
pid_t clone_and_execute(any_program& program, int& pidfd);

/// Like fork(2), but the worker is a child of the zygote's parent. `group`: the folder of the
/// control group that it is to live in, or -1.
clone_result clone_like_fork(int& pidfd, int group);

/// In the child, first of all: it dies with its owner, and not only from now on.
void bind_to_owner(pid_t owner, const rlimit& descriptors);
/// In the child: the agreed descriptors and no others. The received ones are all above the targets.
void place_descriptors(const worker_ends& ends, bool keep_over_exec);
/// In a worker that was not placed. It ends, with a line on `errors`, if it can't go there.
void go_to_group(int group, int errors);

}  // namespace troupe::os
