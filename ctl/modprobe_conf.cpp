// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modprobe_conf.h"

#include "guard/look.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace vfiobind::ctl {
namespace {

void readFile(const std::string& path, const std::string& content, std::vector<ModprobeLine>& all) {
    std::istringstream lines(content);
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);) {
        ModprobeLine parsed{.file = path, .line = ++number, .words = {}};
        std::string next;
        // A backslash at the end goes on in the next line.
        while (line.ends_with('\\') && std::getline(lines, next)) {
            line.back() = ' ';
            line += next;
            ++number;
        }
        std::istringstream words(line.substr(0, line.find('#')));
        for (std::string word; words >> word;)
            parsed.words.push_back(word);
        if (!parsed.words.empty())
            all.push_back(std::move(parsed));
    }
}

} // namespace

std::string underscored(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
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
            if (name.ends_with(".conf"))
                files.emplace(name, std::string(directory) + '/' + name);
    }
    std::vector<ModprobeLine> all;
    for (const auto& [name, path] : files) {
        const auto content = sysfs.read(path, 1 << 20);
        if (content)
            readFile(path, *content, all);
        else if (!isGone(content.error()))
            failed(content.error());
    }
    return all;
}

} // namespace vfiobind::ctl
