// SPDX-License-Identifier: LGPL-2.1-or-later
#include "log.h"

#include <cstdlib>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind {
namespace {

bool journalIsListening() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat error{};
    return stream != nullptr && fstat(STDERR_FILENO, &error) == 0 &&
           fmt::format("{}:{}", error.st_dev, error.st_ino) == stream;
}

} // namespace

void setUpLog() {
    auto logger = journalIsListening() ? spdlog::systemd_logger_st("vfio-bindd")
                                       : spdlog::stderr_color_st("vfio-bindd");
    logger->set_pattern(journalIsListening() ? "%v" : "%^%l%$: %v");
    spdlog::set_default_logger(std::move(logger));
}

} // namespace vfiobind
