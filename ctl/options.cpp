// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include "config/blocker_codes.h"
#include "export/exporters.h"
#include "import/sources.h"
#include "pci/lease_text.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <sstream>

namespace vfiobind::ctl {

namespace {

constexpr const char* targetHelp = "PCI address (0000:01:00.0), rule name, id (10de:1284) or group/22";

bool mayStandIn(const BlockerCode& code, bool release) {
    return code.allowable && (release || code.where != AllowedIn::release);
}

/// Empty if the code may be allowed, else a sentence: the way of CLI11's validators.
std::string checkBlockerCode(const std::string& code, bool release) {
    const BlockerCode* known = findBlockerCode(code);
    if (known == nullptr) {
        std::string names;
        for (const BlockerCode& each : blockerCodes)
            if (mayStandIn(each, release))
                names += (names.empty() ? "" : ", ") + std::string(each.name);
        return fmt::format("there is no blocker '{}'; those that can be allowed are {}", code, names);
    }
    if (!known->allowable)
        return fmt::format(
            "{} cannot be allowed: the kernel would refuse anyway, or the wrong device would be taken", code);
    if (!mayStandIn(*known, release))
        return fmt::format("{} can be allowed by a release only", code);
    return {};
}

std::string exporterNames() {
    std::string names;
    for (const Exporter& each : exporters)
        names += (names.empty() ? "" : ", ") + std::string(each.name);
    return names;
}

std::string checkExporter(const std::string& name) {
    if (findExporter(name) != nullptr)
        return {};
    return fmt::format("'{}' is not known; there are {}", name, exporterNames());
}

constexpr const char* version = "vfio-bindctl " VFIO_BIND_VERSION;

/// The first word that is neither an option nor the value of --host.
auto commandWord(auto begin, auto end) {
    while (begin != end && begin->starts_with('-'))
        begin += (*begin == "-H" || *begin == "--host") && std::next(begin) != end ? 2 : 1;
    return begin;
}

class Parser {
public:
    Parser();
    std::variant<Options, ParseEnd> parse(std::vector<std::string> arguments);

private:
    struct Row {
        Command command;
        const char* name;
        const char* help;
        void (Parser::*addOptions)(CLI::App&) = nullptr;
        bool hidden = false; ///< it is for completions and hooks
    };
    static const Row rows[];

    void add(const Row& row);
    void addCommands(const std::vector<std::string>& arguments);
    void addBind(CLI::App& sub);
    void addRelease(CLI::App& sub);
    void addCheck(CLI::App& sub);
    void addLeasing(CLI::App& sub);
    void addExport(CLI::App& sub);
    void addImport(CLI::App& sub);
    void addVerify(CLI::App& sub);
    void addTarget(CLI::App& sub);
    void addAllow(CLI::App& sub, bool release = false);
    void addDriver(CLI::App& sub);
    void takeCommand(std::vector<std::string>& arguments);
    void checkTogether() const;
    ParseEnd endOf(const CLI::ParseError& error) const;

    CLI::App app_{"Shows IOMMU groups, hands them to VFIO and takes them back.", "vfio-bindctl"};
    Options options_;
    bool isRun_ = false;
};

/// In the order in which --help lists them.
const Parser::Row Parser::rows[] = {
    {Command::status, "status", "show groups and devices (the default)"},
    {Command::show, "show", "show everything about a target, or about all", &Parser::addTarget},
    {Command::bind, "bind", "hand the target's groups to VFIO", &Parser::addBind},
    {Command::release, "release", "give the target's groups back to their native drivers",
     &Parser::addRelease},
    {Command::check, "check", "say what bind would do, and do nothing", &Parser::addCheck},
    {Command::run, "run",
     "run a command that has the targets' groups for as long as it runs: run TARGET... -- COMMAND ARG...",
     &Parser::addLeasing},
    {Command::hold, "hold", "have the targets' groups until it is ended; tells systemd when they are bound",
     &Parser::addLeasing},
    {Command::reload, "reload", "have the daemon read its configuration again"},
    {Command::watch, "watch", "print changes as they come"},
    {Command::exportGroups, "export", "print the target's groups in the form that another program takes",
     &Parser::addExport},
    {Command::doctor, "doctor", "say what stands between a target, or the machine, and a VM; needs no daemon",
     &Parser::addTarget},
    {Command::groups, "groups", "list the IOMMU groups; needs no daemon"},
    {Command::metrics, "metrics", "print the daemon's metrics in Prometheus' text format"},
    {Command::importOld, "import",
     "print rules for what this machine has been set up with so far; needs no daemon", &Parser::addImport},
    {.command = Command::libvirtRules,
     .name = "libvirt-rules",
     .help = "list the rules that are asked for a domain's devices; its XML is standard input",
     .hidden = true},
    {Command::verify, "verify", "read a configuration and name every error; needs no daemon and no hardware",
     &Parser::addVerify},
    {.command = Command::completeTargets,
     .name = "complete-targets",
     .help = "list targets for shell completion",
     .hidden = true},
    {.command = Command::completeCodes,
     .name = "complete-codes",
     .help = "list blocker codes for shell completion",
     .hidden = true},
};

void Parser::add(const Row& row) {
    CLI::App* sub = app_.add_subcommand(row.name, row.help);
    sub->callback([this, command = row.command] { options_.command = command; });
    sub->fallthrough();
    if (row.hidden)
        sub->group("");
    if (row.addOptions != nullptr)
        (this->*row.addOptions)(*sub);
}

void Parser::addAllow(CLI::App& sub, bool release) {
    sub.add_option("--allow", options_.allow, "override a blocker, by its code; may be repeated")
        ->type_name("CODE")
        ->allow_extra_args(false)
        ->check(CLI::Validator([release](const std::string& code) { return checkBlockerCode(code, release); },
                               ""));
}

void Parser::addDriver(CLI::App& sub) {
    sub.add_option("--driver", options_.driver, "driver to bind (default: what the rule says, else auto)")
        ->type_name("NAME");
    sub.add_option("--method", options_.method, "override or new-id")
        ->type_name("NAME")
        ->check(CLI::IsMember({"override", "new-id"}));
}

/// Required by all but show and doctor.
void Parser::addTarget(CLI::App& sub) {
    sub.add_option("TARGET", options_.target, targetHelp)->type_name("");
}

void Parser::addCheck(CLI::App& sub) {
    addTarget(sub);
    sub.get_option("TARGET")->required();
    addAllow(sub);
    addDriver(sub);
    sub.add_flag("--persist", options_.persist, "also write a drop-in under /etc/vfio-bind.d/");
}

void Parser::addBind(CLI::App& sub) {
    addCheck(sub);
    sub.add_flag("--no-wait", options_.noWait, "do not wait for the jobs");
}

void Parser::addRelease(CLI::App& sub) {
    addTarget(sub);
    sub.get_option("TARGET")->required();
    sub.add_flag("--no-wait", options_.noWait, "do not wait for the jobs");
    addAllow(sub, true);
    sub.add_flag("--persist", options_.persist, "also take it out of the drop-in that bind --persist wrote");
}

void Parser::addExport(CLI::App& sub) {
    addTarget(sub);
    sub.get_option("TARGET")->required();
    sub.add_option("--for", options_.exportFor, "what is to have them: " + exporterNames())
        ->required()
        ->type_name("WHAT")
        ->check(CLI::Validator(checkExporter, ""));
    sub.add_flag("--iommufd", options_.iommufd,
                 "for iommufd: by the devices' cdevs, not by their groups' nodes");
}

void Parser::addImport(CLI::App& sub) {
    std::vector<std::string> names;
    for (const auto& source : importSources)
        names.emplace_back(source.name);
    sub.add_option("--from", options_.from, "look in this place only; may be repeated")
        ->type_name("WHAT")
        ->allow_extra_args(false)
        ->check(CLI::IsMember(names));
    sub.add_flag("--write", options_.write, "write them to /etc/vfio-bind.d/50-imported.toml");
    sub.add_option("--root", options_.root, "take DIR for /")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
}

void Parser::addLeasing(CLI::App& sub) {
    sub.add_option("TARGET", options_.targets, targetHelp)->required()->type_name("");
    sub.add_option("--what", options_.what, "what the lease is for, shown to root and your own user")
        ->type_name("TEXT");
    addAllow(sub);
    addDriver(sub);
}

void Parser::addVerify(CLI::App& sub) {
    sub.add_option("--root", options_.root, "take DIR for /")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    sub.add_option("--machine", options_.machines,
                   "say what would be bound on a machine that 'groups --json' has described; may be repeated")
        ->type_name("FILE")
        ->allow_extra_args(false);
    sub.add_option("FILE", options_.files, "read these in place of the configuration")->type_name("");
}

Parser::Parser() {
    app_.require_subcommand(0, 1);
    app_.set_version_flag("--version", version);
    app_.add_flag("--json", options_.json, "print JSON");
    app_.add_flag("--session", options_.session, "use the session bus");
    app_.add_option("-H,--host", options_.hosts,
                    "use the system bus of another machine, over ssh; status: of several, if repeated")
        ->type_name("[USER@]HOST")
        ->allow_extra_args(false)
        ->excludes("--session");
    app_.add_flag("-a,--all", options_.all, "status: also show groups that are with their native drivers");
    app_.get_formatter()->column_width(26);
}

/// Only the command that is asked for, since CLI11 takes longer to be told of all than to parse one; all of
/// them for --help, which lists them. Of an unknown one CLI11 would complain of what stands behind it.
void Parser::addCommands(const std::vector<std::string>& arguments) {
    const auto asksForHelp = [](const std::string& word) { return word == "--help" || word == "-h"; };
    const bool all = std::ranges::any_of(arguments, asksForHelp);
    const auto word = commandWord(arguments.begin(), arguments.end());
    bool known = word == arguments.end(); // of none status is meant
    for (const Row& row : rows) {
        const bool asked = word != arguments.end() && *word == row.name;
        known = known || asked;
        if (all || asked)
            add(row);
    }
    if (known)
        return;
    std::string names;
    for (const Row& row : rows)
        if (!row.hidden)
            names += (names.empty() ? "" : ", ") + std::string(row.name);
    throw CLI::ValidationError(fmt::format("there is no command '{}'; there are {}", *word, names));
}

ParseEnd Parser::endOf(const CLI::ParseError& error) const {
    std::ostringstream out;
    std::ostringstream err;
    if (app_.exit(error, out, err) == 0)
        return {out.str(), {}, ExitCode::done};
    return {{},
            fmt::format("vfio-bindctl: {}\nSee vfio-bindctl --help.\n", error.what()),
            isRun_ ? ExitCode::notAcquired : ExitCode::usage};
}

/// What comes after `--` is the command's, options too, and none of ours.
void Parser::takeCommand(std::vector<std::string>& arguments) {
    const auto dashes = std::ranges::find(arguments, "--");
    const auto first = commandWord(arguments.begin(), dashes);
    isRun_ = first != dashes && *first == "run";
    if (!isRun_ || dashes == arguments.end())
        return;
    options_.words.assign(std::next(dashes), arguments.end());
    arguments.erase(dashes, arguments.end());
}

void Parser::checkTogether() const {
    const auto is = [this](Command command) { return options_.command == command; };
    if (options_.all && !is(Command::status))
        throw CLI::ExcludesError("--all", "any command but status");
    const bool local = is(Command::doctor) || is(Command::groups) || is(Command::importOld) ||
                       is(Command::metrics) || is(Command::verify);
    if (local && (!options_.hosts.empty() || options_.session))
        throw CLI::ExcludesError(options_.session ? "--session" : "--host",
                                 "doctor, groups, import, metrics and verify, which ask no daemon");
    if (options_.hosts.size() > 1 && !is(Command::status))
        throw CLI::ValidationError("--host", "only status asks several machines; name one");
    if (isLeasing(options_.command) && !options_.hosts.empty())
        throw CLI::ValidationError(
            "--host", "run and hold keep a descriptor open, and none travels to another machine; "
                      "run vfio-bindctl there: ssh HOST vfio-bindctl run ...");
    if (is(Command::run) && options_.words.empty())
        throw CLI::ValidationError("run",
                                   "there is no command; it comes after the targets and two dashes, as "
                                   "in: vfio-bindctl run 01:00.0 -- COMMAND ARG...");
    if (!options_.what.empty())
        if (const auto good = checkWhat(options_.what); !good)
            throw CLI::ValidationError("--what", good.error());
}

std::variant<Options, ParseEnd> Parser::parse(std::vector<std::string> arguments) {
    takeCommand(arguments);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend()); // the order that CLI11 takes
    try {
        addCommands(arguments);
        app_.parse(reversed);
        checkTogether();
    } catch (const CLI::ParseError& error) {
        return endOf(error);
    }
    return options_;
}

} // namespace

std::variant<Options, ParseEnd> parseCommandLine(const std::vector<std::string>& arguments) {
    // Programs ask for it by itself, and that needs no parser.
    if (arguments == std::vector<std::string>{"--version"})
        return ParseEnd{std::string(version) + '\n', {}, ExitCode::done};
    return Parser().parse(arguments);
}

} // namespace vfiobind::ctl
