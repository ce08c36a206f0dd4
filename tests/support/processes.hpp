#pragma once

#include <chrono>
#include <string>
#include <vector>

/// What /proc tells, for tests.
namespace test {

/// Children of this process that are there now, zombies included.
std::vector<int> children();

/// Processes that have `entry` ("NAME=value") in the environment of their program. Not zombies.
std::vector<int> processes_with(const std::string& entry);

/// The children that call themselves so.
std::vector<int> children_named(const std::string& name);

/// A line of /proc/PID/status; empty when the process or the line isn't there.
std::string status_of(int pid, const std::string& field);

/// Numbers of the descriptors that this process has open.
std::vector<int> open_descriptors();

/// Memory of this process in use now.
std::size_t resident_bytes();

/// Waits until all these processes have ended, reaped or not; false when `limit` passes first.
bool ended(const std::vector<int>& pids, std::chrono::milliseconds limit);

/// Pid of a child that has ended and is not reaped; 0 when there is none, -1 without children.
int unreaped_child();

/// Starts a program, found in PATH, with nothing but its own stdin, stdout and stderr.
int start_program(std::vector<std::string> arguments);

/// kill(2) for exactly one process: throws for a pid that would mean a group, or all there are.
bool kill_process(int pid, int signal = 9);

/// Ends a program that `start_program` started.
void end_program(int pid);

}  // namespace test
