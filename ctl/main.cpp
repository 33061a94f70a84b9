// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl(1): the command line client of vfio-bindd.
#include "commands.h"
#include "config/blocker_codes.h"
#include "doctor/doctor.h"
#include "doctor/groups.h"
#include "export/export.h"
#include "hosts.h"
#include "import/import.h"
#include "json.h"
#include "metrics.h"
#include "options.h"
#include "output.h"
#include "run/leased.h"
#include "run/libvirt_rules.h"
#include "verify.h"

#include <clocale>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <variant>

namespace vfiobind::ctl {

namespace {

ExitCode run(const Options& options) {
    if (options.command == Command::completeCodes) {
        for (const BlockerCode& code : blockerCodes)
            if (code.allowable)
                printLine(code.name);
        return ExitCode::done;
    }
    if (options.command == Command::doctor)
        return runDoctor(options);
    if (options.command == Command::groups)
        return runGroups(options);
    if (options.command == Command::metrics)
        return runMetrics(options);
    if (options.command == Command::importOld)
        return runImport(options);
    if (options.command == Command::libvirtRules)
        return runLibvirtRules();
    if (options.command == Command::verify)
        return runVerify(options);
    if (options.hosts.size() > 1)
        return runStatusOfHosts(options);
    const Client::Bus which = options.session         ? Client::Bus::session
                              : options.hosts.empty() ? Client::Bus::system
                                                      : Client::Bus::remote;
    Client client(which, options.hosts.empty() ? "" : options.hosts.front());
    switch (options.command) {
    case Command::status:
        return runStatus(client, options);
    case Command::show:
        return runShow(client, options);
    case Command::bind:
    case Command::release:
        return runChange(client, options);
    case Command::run:
    case Command::hold:
        return runLeased(client, options);
    case Command::check:
        return runCheck(client, options);
    case Command::reload:
        return runReload(client, options);
    case Command::watch:
        return runWatch(client, options);
    case Command::exportGroups:
        return runExport(client, options);
    case Command::completeTargets:
        return runCompleteTargets(client);
    case Command::completeCodes:
    case Command::doctor:
    case Command::groups:
    case Command::metrics:
    case Command::importOld:
    case Command::libvirtRules:
    case Command::verify:
        break; // above: they need no bus
    }
    throw std::logic_error("a command without a handler");
}

std::string whereToLook(const Options& options) {
    if (options.session)
        return "on the session bus it must have been started by hand, with 'vfio-bindd --session'";
    return "see 'systemctl status vfio-bind.service'" +
           (options.hosts.empty() ? "" : " on " + options.hosts.front());
}

ExitCode report(const Options& options, const sdbus::Error& error) {
    const ExitCode code = isLeasing(options.command) ? ExitCode::notAcquired : exitCodeFor(error.getName());
    if (options.command == Command::completeTargets)
        return code; // it would be written into the middle of the line that is being typed
    std::string message = error.getMessage().empty() ? error.getName() : error.getMessage();
    if (options.json)
        printLine(errorJson(error.getName(), message));
    if (exitCodeFor(error.getName()) == ExitCode::noDaemon)
        message = fmt::format("no answer from vfio-bindd: {}\n{}", message, whereToLook(options));
    complain(message);
    return code;
}

ExitCode runGuarded(const Options& options) {
    try {
        try {
            return run(options);
        } catch (const sdbus::Error& error) {
            return report(options, error);
        } catch (const DaemonGone& error) {
            if (options.json)
                printLine(errorJson("org.freedesktop.DBus.Error.NoReply", error.what()));
            complain(error.what());
            return isLeasing(options.command) ? ExitCode::notAcquired : ExitCode::noDaemon;
        }
    } catch (const std::exception& error) { // standard output is full, memory is out
        complain(error.what());
        return isLeasing(options.command) ? ExitCode::notAcquired : ExitCode::failed;
    }
}

} // namespace

} // namespace vfiobind::ctl

int main(int argc, char** argv) {
    using namespace vfiobind::ctl;
    if (std::setlocale(LC_ALL, "") == nullptr)
        std::setlocale(LC_ALL, "C"); // an unknown locale is no reason to refuse
    const auto parsed = parseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
    if (const auto* end = std::get_if<ParseEnd>(&parsed)) {
        std::fputs(end->out.c_str(), stdout);
        std::fputs(end->err.c_str(), stderr);
        return toInt(end->code);
    }
    return toInt(runGuarded(std::get<Options>(parsed)));
}
