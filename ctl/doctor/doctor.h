// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl doctor: what stands between a device and a VM, and how to get there. Needs no daemon and no
/// configuration.
#pragma once

#include "doctor/finding.h"
#include "exit_code.h"
#include "options.h"
#include "sysfs/sysfs.h"
#include "text.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

namespace vfiobind::ctl {

/// What is not to be had through the seam.
struct DoctorContext {
    std::string target; ///< as for Bind; empty for the machine alone
    std::string config = "/etc/vfio-bind.toml";
    bool root = false;
    /// When a file was last changed, in seconds since the epoch; none where it is not there.
    std::function<std::optional<std::int64_t>(const std::string&)> changed;
};

struct Diagnosis {
    std::string target;
    bool root = false; ///< what could not be seen is hidden from root too
    Findings findings;
    /// The target, or without one the machine, can pass devices through; false also where that cannot be
    /// told.
    bool possible() const;
    /// Nothing that matters was out of sight.
    bool certain() const;
};

/// Throws UnknownTarget.
Diagnosis diagnose(const Sysfs& sysfs, const DoctorContext& context);

struct UnknownTarget : std::runtime_error {
    UnknownTarget(const std::string& sentence, ExitCode itsCode) :
        std::runtime_error(sentence), code(itsCode) {}
    ExitCode code; ///< as `check` has it: usage where nothing can be of that name
};

std::string renderDiagnosis(const Diagnosis& diagnosis, const Style& style);

/// `{"target": ..., "possible": ..., "certain": ..., "findings": [{"level", "topic", "device", "sentence",
/// "remedy"}]}`
std::string diagnosisJson(const Diagnosis& diagnosis);

ExitCode runDoctor(const Options& options);

} // namespace vfiobind::ctl
