#pragma once

/// Everything a program needs.
#include "troupe/actor.hpp"
#include "troupe/call_data.hpp"
#include "troupe/error.hpp"
#include "troupe/exit_report.hpp"
#include "troupe/file_list.hpp"
#include "troupe/handle.hpp"
#include "troupe/message.hpp"
#include "troupe/pool.hpp"
#include "troupe/process.hpp"
#include "troupe/program.hpp"
#include "troupe/progress_line.hpp"
#include "troupe/result.hpp"
#include "troupe/runtime.hpp"
