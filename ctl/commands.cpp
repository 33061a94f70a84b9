// SPDX-License-Identifier: LGPL-2.1-or-later
#include "commands.h"

#include "json.h"
#include "output.h"
#include "render.h"
#include "target.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {

CallOptions callOptions(const Options& options) {
    CallOptions result;
    if (!options.allow.empty())
        result.emplace("allow", sdbus::Variant{options.allow});
    if (options.driver)
        result.emplace("driver", sdbus::Variant{*options.driver});
    if (options.method)
        result.emplace("method", sdbus::Variant{*options.method});
    if (options.persist)
        result.emplace("persist", sdbus::Variant{true});
    return result;
}

ExitCode runStatus(Client& client, const Options& options) {
    if (options.json)
        printLine(client.describe());
    else
        print(renderStatus(client.snapshot(), Style::forStdout(), options.all));
    return ExitCode::done;
}

namespace {

ExitCode failShow(const Options& options, const std::string& message, ExitCode code = ExitCode::failed) {
    if (options.json)
        printLine(errorJson("", message));
    complain(message);
    return code;
}

} // namespace

ExitCode runShow(Client& client, const Options& options) {
    const Snapshot snapshot = client.snapshot();
    const auto touched =
        options.target.empty() ? everything(snapshot) : resolveTarget(snapshot, options.target);
    if (!touched)
        return failShow(options, touched.error(),
                        isMalformedTarget(options.target) ? ExitCode::usage : ExitCode::failed);
    if (!options.json) {
        print(renderShow(snapshot, *touched, Style::forStdout()));
        return ExitCode::done;
    }
    const auto json = showJson(client.describe(), snapshot, *touched);
    if (!json)
        return failShow(options, json.error());
    printLine(*json);
    return ExitCode::done;
}

ExitCode runCheck(Client& client, const Options& options) {
    const CheckResult check = client.check(options.target, callOptions(options));
    if (options.json)
        printLine(checkJson(options.target, check));
    else
        print(renderCheck(options.target, check, Style::forStdout()));
    return check.possible ? ExitCode::done : ExitCode::blocked;
}

ExitCode runReload(Client& client, const Options& options) {
    client.reload();
    if (options.json)
        printLine(dumpLine({{"result", "done"}}));
    else
        printLine("The configuration was read again.");
    return ExitCode::done;
}

ExitCode runCompleteTargets(Client& client) {
    if (!client.daemonRuns()) // pressing the tabulator must not start it
        return ExitCode::noDaemon;
    for (const Completion& completion : completions(client.snapshot()))
        printLine(printable(completion.word) + '\t' + printable(completion.description));
    return ExitCode::done;
}

} // namespace vfiobind::ctl
