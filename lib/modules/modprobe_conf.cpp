// SPDX-License-Identifier: LGPL-2.1-or-later
// As libkmod/libkmod-config.c and libkmod-util.c (freadline_wrapped) of kmod 30 read it.
#include "modules/modprobe_conf.h"

#include "guard/look.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fnmatch.h>
#include <map>
#include <string_view>

namespace vfiobind {
namespace {

struct RawLine {
    unsigned number = 0;
    std::string text;
};

std::vector<RawLine> rawLines(std::string_view content) {
    std::vector<RawLine> lines;
    unsigned number = 1;
    RawLine current{number, {}};
    for (std::size_t at = 0; at < content.size(); ++at) {
        char c = content[at];
        if (c == '\\' && at + 1 < content.size()) {
            c = content[++at];
            if (c == '\n') {
                ++number;
                continue;
            }
        } else if (c == '\n') {
            lines.push_back(std::move(current));
            current = {++number, {}};
            continue;
        }
        current.text += c;
    }
    if (!current.text.empty())
        lines.push_back(std::move(current));
    return lines;
}

/// The next word, as strtok_r(3) with tab and blank gives it.
std::string takeWord(std::string_view& text) {
    const auto begin = std::min(text.find_first_not_of("\t "), text.size());
    const auto end = std::min(text.find_first_of("\t ", begin), text.size());
    std::string word(text.substr(begin, end - begin));
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

bool isUnderstood(const ModprobeLine& line) {
    if (line.command == "blacklist")
        return !line.name.empty();
    constexpr std::array<std::string_view, 6> withArgument{"options", "install", "remove",
                                                           "softdep", "weakdep", "alias"};
    return std::ranges::find(withArgument, line.command) != withArgument.end() && !line.name.empty() &&
           !line.argument.empty();
}

bool isRead(std::string_view name) {
    return !name.starts_with('.') &&
           ((name.size() > 5 && name.ends_with(".conf")) || (name.size() > 6 && name.ends_with(".alias")));
}

} // namespace

std::string ModprobeLine::str() const {
    return argument.empty() ? command + ' ' + name : fmt::format("{} {} {}", command, name, argument);
}

std::string ModprobeLine::place() const {
    return fmt::format("{}:{}", file, line);
}

std::vector<ModprobeLine> readModprobeFile(const std::string& path, std::string_view content) {
    std::vector<ModprobeLine> all;
    for (const auto& [number, text] : rawLines(content)) {
        if (text.starts_with('#'))
            continue;
        std::string_view rest = text;
        ModprobeLine line{
            .file = path, .line = number, .command = takeWord(rest), .name = {}, .argument = {}};
        if (line.command.empty())
            continue;
        line.name = takeWord(rest);
        if (line.command != "blacklist") // what stands behind its name is passed over
            line.argument = line.command == "alias" ? takeWord(rest) : std::string(rest);
        line.understood = isUnderstood(line);
        all.push_back(std::move(line));
    }
    return all;
}

std::vector<ModprobeLine> modprobeLines(const Sysfs& sysfs, std::vector<SysError>* errors) {
    const auto failed = [&](const SysError& error) {
        if (errors != nullptr)
            errors->push_back(error);
    };
    std::map<std::string, std::string> files; // by name
    for (const auto* directory : {"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d",
                                  "/usr/lib/modprobe.d", "/lib/modprobe.d"}) {
        const auto names = listIfThere(sysfs, directory);
        if (!names) {
            failed(names.error());
            continue;
        }
        for (const auto& name : *names)
            if (isRead(name))
                files.emplace(name, std::string(directory) + '/' + name);
    }
    std::vector<ModprobeLine> all;
    for (const auto& [name, path] : files) {
        const auto content = sysfs.read(path, 1 << 20);
        if (content)
            std::ranges::move(readModprobeFile(path, *content), std::back_inserter(all));
        else if (!isGone(content.error()))
            failed(content.error());
    }
    return all;
}

const ModprobeLine* installLine(const std::vector<ModprobeLine>& lines, const std::string& module) {
    const auto found = std::ranges::find_if(lines, [&](const ModprobeLine& line) {
        return line.understood && line.command == "install" &&
               fnmatch(underscored(line.name).c_str(), module.c_str(), 0) == 0;
    });
    return found == lines.end() ? nullptr : &*found;
}

bool doesNothing(const ModprobeLine& install) {
    std::string_view rest = install.argument;
    const auto program = takeWord(rest);
    return program == "true" || program == "false" || program.ends_with("/true") ||
           program.ends_with("/false");
}

const ModprobeLine* blacklistLine(const std::vector<ModprobeLine>& lines, const std::string& module) {
    const auto found = std::ranges::find_if(lines, [&](const ModprobeLine& line) {
        return line.understood && line.command == "blacklist" && underscored(line.name) == module;
    });
    return found == lines.end() ? nullptr : &*found;
}

} // namespace vfiobind
