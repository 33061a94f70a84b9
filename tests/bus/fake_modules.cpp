// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake_modules.h"

#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace vfiobind {
namespace {

std::string moduleName(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
}

} // namespace

std::vector<FakeModules::Alias> FakeModules::fitting(const std::string& alias) const {
    std::vector<Alias> found;
    std::istringstream lines(kernel_.modulesAlias());
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        Alias entry;
        if (words >> word >> entry.pattern >> entry.module && word == "alias" &&
            fnmatch(entry.pattern.c_str(), alias.c_str(), 0) == 0)
            found.push_back(std::move(entry));
    }
    return found;
}

std::optional<std::vector<std::string>> FakeModules::native(const Ids& ids) {
    if (noIndex)
        return std::nullopt;
    std::vector<std::string> names;
    for (const auto& entry : fitting(ids.modalias()))
        if (!entry.module.empty() && std::ranges::find(names, entry.module) == names.end())
            names.push_back(entry.module);
    return names;
}

std::string FakeModules::automatic(const Ids& ids) {
    std::string best = "vfio-pci";
    auto fewest = std::string::npos;
    for (const auto& entry : fitting("vfio_" + ids.modalias())) {
        const auto wildcards = static_cast<std::size_t>(std::ranges::count(entry.pattern, '*'));
        if (entry.module == "vfio_pci" || wildcards >= fewest)
            continue;
        fewest = wildcards;
        best = entry.module;
    }
    return best;
}

bool FakeModules::canLoad(const std::string& driver) {
    std::istringstream words(kernel_.modulesAlias());
    return std::find(std::istream_iterator<std::string>(words), {}, moduleName(driver)) !=
           std::istream_iterator<std::string>{};
}

bool FakeModules::loaded(const std::string& module) {
    return kernel_.exists("/sys/module/" + moduleName(module));
}

void FakeModules::load(std::vector<std::string> modules, std::function<void()> done) {
    const auto place = loading_.emplace(loading_.end());
    *place = loop_.soon([this, place, modules = std::move(modules), done = std::move(done)] {
        for (const auto& module : modules) {
            try {
                kernel_.loadModule(moduleName(module));
            } catch (const std::invalid_argument&) {
                // There is none of this name: whyMissing() says so when somebody asks.
            }
        }
        const auto source = std::move(*place);
        loading_.erase(place);
        done();
    });
}

std::string FakeModules::whyMissing(const std::string& driver) {
    return fmt::format(
        "module {} is not there for this kernel; install the package that has it, or name another driver",
        moduleName(driver));
}

} // namespace vfiobind
