// SPDX-License-Identifier: LGPL-2.1-or-later
#include "commands.h"

#include "json.h"
#include "output.h"
#include "render.h"

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

namespace {

/// Prints a document, or why there is none.
ExitCode printJson(const std::expected<std::string, std::string>& json) {
    if (!json) {
        printLine(errorJson("", json.error()));
        complain(json.error());
        return ExitCode::failed;
    }
    printLine(*json);
    return ExitCode::done;
}

} // namespace

ExitCode runStatus(Client& client, const Options& options) {
    if (options.json)
        return printJson(statusJson(client.describe()));
    print(renderStatus(client.status(), Style::forStdout(), options.all));
    return ExitCode::done;
}

ExitCode runShow(Client& client, const Options& options) {
    if (options.target.empty()) {
        if (options.json)
            return printJson(statusJson(client.describe()));
        const Snapshot snapshot = client.snapshot();
        print(renderShow(snapshot, everything(snapshot), Style::forStdout()));
        return ExitCode::done;
    }
    const Resolved resolved = client.resolve(options.target);
    if (options.json)
        return printJson(showJson(client.describe(), resolved));
    const Snapshot snapshot = client.snapshot();
    print(renderShow(snapshot, touchedBy(snapshot, resolved), Style::forStdout()));
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
