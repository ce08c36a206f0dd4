#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "troupe/os/descriptor.hpp"

/// Control groups of version 2, as far as children are put into some of their own.
/// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst.
namespace troupe::os {

/// The group that this process is in.
struct control_group {
  bool is_v2 = false;
  std::string path;                      ///< as /proc tells it: "/user.slice/..."
  std::string folder;                    ///< where that lies in the file system
  bool delegated = false;                ///< groups may be made below it
  std::vector<std::string> controllers;  ///< that those could have
};
control_group own_control_group();

/// Where the group of a process lies, out of its /proc files `mountinfo` and `cgroup`: version 2
/// may be mounted anywhere, beside version 1, and only in part. Empty: it is in none, or it is not
/// mounted.
std::string group_folder(const std::string& mountinfo, const std::string& membership);

/// Where groups for children are made: a folder that belongs to nobody but this program.
struct group_place {
  descriptor folder;                           ///< none: no group can be made
  std::map<std::string, std::string> missing;  ///< wanted controllers, and why each can't be had
};

/// Names of what is made there: a group for the program itself, and one for each limited child.
constexpr const char* main_group = "troupe-main";
constexpr const char* leaf_prefix = "troupe-child-";

/// Finds the place for a process in the group at `folder` (see there; empty: none) and makes it
/// ready: groups below it have the `wanted` controllers. A group that hands on controllers may have
/// no processes, so all that are in it move to `main_group` below it, but only if all belong to the
/// program whose first process is `root`. Whoever is in a group of these names has the one above as
/// its place: groups of children lie beside one another, however deep in the tree they are.
/// Source: cgroup-v2, "No Internal Process Constraint".
group_place open_group_place(std::string folder, pid_t root,
                             const std::vector<std::string>& wanted);

/// Undoes that, unless another group is there, or `main_group` has processes that are not below
/// `root`. False: so it is, and who is the last one may try again.
bool close_group_place(int folder, pid_t root) noexcept;

/// The process that started this one, that one's, and so on; -1 when /proc can't tell.
pid_t ancestor(std::size_t levels);

/// Whether it lives in the group of a child, or did so until it died, and this process does not:
/// even of a zombie that changed its session and its environment that tells whose it is.
bool is_in_child_group(pid_t pid);

/// Takes the calling process into the group at `folder`; its errno, 0: it is there. Allocates
/// nothing.
int enter_group(int folder) noexcept;

}  // namespace troupe::os
