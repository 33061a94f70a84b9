// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/found.h"

#include "guard/look.h"
#include "import/trusted_files.h"
#include "modules/kernel_words.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

namespace vfiobind::ctl {

std::string Place::str() const {
    return line == 0 ? file : fmt::format("{}:{}", file, line);
}

std::string Warning::str() const {
    return fmt::format("{}: {}", place.str(), sentence);
}

void warnUnreadable(const SysError& error, Found& found) {
    if (const auto sentence = whyNotOpened(error)) {
        found.warnings.push_back({{error.path, 0}, *sentence});
        return;
    }
    const bool denied = (error.code == EACCES || error.code == EPERM) && geteuid() != 0;
    found.warnings.push_back(
        {{error.path, 0},
         fmt::format("cannot be read: {}{}", error.str(), denied ? "; run it as root" : "")});
}

std::string readSource(const Sysfs& sysfs, const std::string& path, Found& found) {
    const auto content = readIfThere(sysfs, path, 1 << 20);
    if (content)
        return *content;
    warnUnreadable(content.error(), found);
    return {};
}

std::vector<std::string> listSource(const Sysfs& sysfs, const std::string& path, Found& found) {
    auto names = listIfThere(sysfs, path);
    if (names)
        return std::move(*names);
    warnUnreadable(names.error(), found);
    return {};
}

std::vector<TextLine> linesOf(const std::string& path, const std::string& content) {
    std::vector<TextLine> all;
    std::istringstream lines(content);
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);)
        all.push_back({{path, ++number}, std::move(line)});
    return all;
}

std::string trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos)
        return {};
    return std::string(text.substr(begin, text.find_last_not_of(blanks) + 1 - begin));
}

namespace {

bool isNameChar(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

} // namespace

std::string ruleName(const std::string& text, const char* without) {
    constexpr std::size_t longest = 200;
    std::string name = text.substr(0, longest);
    std::ranges::replace_if(name, [](char c) { return !isNameChar(c); }, '-');
    return name.empty() ? without : name;
}

bool isDriverName(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, isNameChar);
}

std::vector<Address> functionsOf(const Topology& topology, Address card) {
    constexpr std::uint8_t most = 8;
    std::vector<Address> found;
    for (card.function = 0; card.function < most; ++card.function)
        if (const auto* device = topology.find(card); device != nullptr && device->endpoint())
            found.push_back(card);
    card.function = 0;
    return found.empty() ? std::vector{card} : found;
}

bool isVfioModule(std::string_view module) {
    constexpr std::array<std::string_view, 5> names{"vfio", "vfio_pci", "vfio_iommu_type1", "vfio_virqfd",
                                                    "vfio_pci_core"};
    return std::ranges::find(names, underscored(std::string(module))) != names.end();
}

} // namespace vfiobind::ctl
