// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl metrics: what the daemon writes for Prometheus.
#pragma once

#include "exit_code.h"
#include "options.h"
#include "sysfs/sysfs.h"

#include <expected>
#include <string>

namespace vfiobind::ctl {

/// The metrics in Prometheus' text format, as the daemon wrote them last. The error is a sentence.
std::expected<std::string, std::string> readMetrics(const Sysfs& files);

ExitCode runMetrics(const Options& options);

} // namespace vfiobind::ctl
