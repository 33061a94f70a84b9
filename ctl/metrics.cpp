// SPDX-License-Identifier: LGPL-2.1-or-later
#include "metrics.h"

#include "json.h"
#include "output.h"
#include "sysfs/real_sysfs.h"

#include <cerrno>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {
namespace {

constexpr const char* metricsFile = "/run/vfio-bind/metrics.prom";
constexpr std::size_t mostMetrics = 16 << 20;

} // namespace

std::expected<std::string, std::string> readMetrics(const Sysfs& files) {
    const auto text = files.read(metricsFile, mostMetrics);
    if (text)
        return *text + '\n'; // read() keeps the last newline out
    if (text.error().code == ENOENT)
        return std::unexpected(
            std::string("there is no ") + metricsFile +
            ": vfio-bindd has not run since the machine was started, or the configuration has "
            "[publish] with metrics = false");
    return std::unexpected(text.error().str());
}

ExitCode runMetrics(const Options& options) {
    const auto metrics = readMetrics(RealSysfs());
    if (!metrics) {
        if (options.json)
            printLine(errorJson("", metrics.error()));
        complain(metrics.error());
        return ExitCode::failed;
    }
    if (options.json)
        printLine(dumpLine({{"metrics", *metrics}}));
    else
        print(*metrics);
    return ExitCode::done;
}

} // namespace vfiobind::ctl
