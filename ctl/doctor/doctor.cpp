// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/doctor.h"

#include "config/config.h"
#include "doctor/group.h"
#include "doctor/machine.h"
#include "json.h"
#include "lines.h"
#include "output.h"
#include "plan/wanted.h"
#include "rules/initramfs.h"
#include "sysfs/real_sysfs.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

void append(Findings& all, Findings more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

/// case 60: an image that knows an older configuration does at the start what it said then.
Findings initramfsFindings(const Sysfs& sysfs, const DoctorContext& context) {
    const bool started = context.changed("/run/vfio-bind" + std::string(ranInInitramfs)).has_value();
    const auto image = initramfsOf(sysfs, configFiles(context.config), context.changed, started);
    if (!image || !context.changed(context.config))
        return {};
    if (!image->known)
        return {{Level::note,
                 "initramfs",
                 {},
                 fmt::format("{} was made without vfio-bind: a native driver that is in it has its devices "
                             "until vfio-bind-early hands them over",
                             image->path),
                 image->command}};
    if (image->newerFile.empty())
        return {{Level::ok, "initramfs", {}, fmt::format("{} knows the configuration", image->path), ""}};
    return {{Level::warning,
             "initramfs",
             {},
             fmt::format("{} is older than {}: at the start devices are bound as the older one says",
                         image->path, image->newerFile),
             image->command}};
}

void addTarget(Diagnosis& diagnosis, const Sysfs& sysfs, const DoctorContext& context) {
    const auto topology = Topology::read(sysfs);
    if (!topology)
        throw std::runtime_error(topology.error().str());
    // The rules' names may be targets; what is wrong with the file is no matter for an address.
    const auto policy = loadPolicy(context.config);
    if (!policy)
        diagnosis.findings.push_back({Level::warning, "configuration", {}, str(policy.error()), ""});
    const auto target = resolveTarget(context.target, policy ? *policy : Policy{}, *topology);
    if (!target)
        throw UnknownTarget(target.error().sentence, target.error().kind == TargetError::Kind::invalidArgument
                                                         ? ExitCode::usage
                                                         : ExitCode::failed);
    for (const auto& blocker : target->ungrouped)
        diagnosis.findings.push_back({Level::error, blocker.code, blocker.device, blocker.sentence, ""});
    const auto resolution = resolve(policy ? *policy : Policy{}, *topology);
    const bool isRule = policy && policy->find(context.target) != nullptr;
    for (const auto group : target->groups) {
        const auto* ofRule = isRule ? resolution.ofRule(group) : nullptr;
        append(diagnosis.findings,
               groupFindings(sysfs, *topology, group, context.root,
                             ofRule == nullptr ? Wanted{.by = "vfio-bindctl doctor"} : *ofRule));
    }
    if (target->groups.empty() && target->ungrouped.empty())
        diagnosis.findings.push_back(
            {Level::error,
             "isolation",
             {},
             fmt::format("{} is a bridge, which stays with the host", context.target),
             "name a device behind it"});
}

Colour colourOf(Level level) {
    switch (level) {
    case Level::ok:
        return Colour::green;
    case Level::note:
        return Colour::none;
    case Level::warning:
        return Colour::yellow;
    case Level::error:
        return Colour::red;
    }
    return Colour::none;
}

std::string verdict(const Diagnosis& diagnosis) {
    const auto what = diagnosis.target.empty() ? std::string("a device") : diagnosis.target;
    if (diagnosis.target.empty() && diagnosis.possible())
        return "This machine can pass devices through; name one to see what stands against it.";
    if (diagnosis.possible())
        return fmt::format("{} can be passed through.", what);
    const bool refused =
        std::ranges::any_of(diagnosis.findings, [](const Finding& one) { return one.level == Level::error; });
    if (refused && diagnosis.target.empty())
        return "This machine cannot pass devices through as it stands.";
    if (refused)
        return fmt::format("{} cannot be passed through as it stands.", what);
    return fmt::format("Whether {} can be passed through cannot be told{}.", what,
                       diagnosis.root ? "" : ": run it as root");
}

} // namespace

bool Diagnosis::certain() const {
    return std::ranges::none_of(findings, &Finding::unknown);
}

bool Diagnosis::possible() const {
    return certain() &&
           std::ranges::none_of(findings, [](const Finding& one) { return one.level == Level::error; });
}

Diagnosis diagnose(const Sysfs& sysfs, const DoctorContext& context) {
    Diagnosis diagnosis{.target = context.target, .root = context.root, .findings = {}};
    auto& findings = diagnosis.findings;
    append(findings, iommuFindings(sysfs));
    append(findings, interruptFindings(sysfs));
    append(findings, moduleFindings(sysfs));
    append(findings, wayFindings(sysfs, context.root));
    append(findings, memlockFindings(sysfs, context.root));
    append(findings, initramfsFindings(sysfs, context));
    append(findings, leftoverFindings(sysfs));
    if (!context.target.empty())
        addTarget(diagnosis, sysfs, context);
    return diagnosis;
}

std::string renderDiagnosis(const Diagnosis& diagnosis, const Style& style) {
    Lines lines(style);
    for (const auto& finding : diagnosis.findings) {
        lines.field(0, levelName(finding.level), finding.sentence, colourOf(finding.level));
        lines.field(0, "", finding.remedy.empty() ? "" : "To do: " + finding.remedy);
    }
    lines.raw("");
    lines.sentence(0, verdict(diagnosis), diagnosis.possible() ? Colour::green : Colour::yellow);
    return lines.take();
}

std::string diagnosisJson(const Diagnosis& diagnosis) {
    auto findings = nlohmann::ordered_json::array();
    for (const auto& finding : diagnosis.findings)
        findings.push_back({{"level", levelName(finding.level)},
                            {"topic", finding.topic},
                            {"device", finding.device ? finding.device->str() : ""},
                            {"sentence", finding.sentence},
                            {"remedy", finding.remedy},
                            {"unknown", finding.unknown}});
    return dumpLine({{"target", diagnosis.target},
                     {"possible", diagnosis.possible()},
                     {"certain", diagnosis.certain()},
                     {"findings", findings}});
}

ExitCode runDoctor(const Options& options) {
    const RealSysfs sysfs;
    try {
        const auto diagnosis =
            diagnose(sysfs, {.target = options.target, .root = ::geteuid() == 0, .changed = changeTime});
        if (options.json)
            printLine(diagnosisJson(diagnosis));
        else
            print(renderDiagnosis(diagnosis, Style::forStdout()));
        return diagnosis.possible() ? ExitCode::done : ExitCode::failed;
    } catch (const UnknownTarget& error) {
        if (options.json)
            printLine(errorJson("", error.what()));
        complain(error.what());
        return error.code;
    }
}

} // namespace vfiobind::ctl
