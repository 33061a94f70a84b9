// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/host_facts.h"

#include "config/read_file.h"
#include "config/virtualization.h"

#include <array>
#include <cctype>
#include <string_view>

namespace vfiobind {
namespace {

constexpr std::array<std::string_view, 4> offWords{"off", "no", "false", "0"};

bool isOff(std::string_view value) {
    for (const auto word : offWords)
        if (value == word)
            return true;
    return false;
}

/// The first line that is neither empty nor a comment, without blanks around it. What cannot be read is not
/// known.
std::optional<std::string> firstLine(const std::string& path) {
    const auto content = readWholeFile(path);
    if (!content)
        return std::nullopt;
    for (std::size_t begin = 0; begin < content->size();) {
        auto end = content->find_first_of(std::string_view("\n\0", 2), begin);
        if (end == std::string::npos)
            end = content->size();
        auto line = content->substr(begin, end - begin);
        begin = end + 1;
        while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0)
            line.pop_back();
        line.erase(0, line.find_first_not_of(" \t"));
        if (!line.empty() && line.front() != '#')
            return line;
    }
    return std::nullopt;
}

} // namespace

std::vector<std::string> commandLineWords(const std::string& text) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false;
    bool any = false;
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (!quoted && std::isspace(static_cast<unsigned char>(c)) != 0) {
            if (any)
                words.push_back(std::move(word));
            word.clear();
            any = false;
        } else {
            word += c;
            any = true;
        }
    }
    if (any)
        words.push_back(std::move(word));
    return words;
}

std::string HostFacts::standsBack() const {
    std::string last;
    for (const auto& word : commandLine) {
        const std::string_view text(word);
        const auto equals = text.find('=');
        const auto key = text.substr(0, equals);
        if (key != "vfio_bind" && !(inInitramfs && key == "rd.vfio_bind"))
            continue;
        last = equals != std::string_view::npos && isOff(text.substr(equals + 1)) ? word : std::string{};
    }
    return last;
}

HostFacts readHostFacts(const std::string& root, bool inInitramfs) {
    const auto own = root + (inInitramfs ? hostFactsOfImage : "/etc");
    HostFacts facts;
    facts.inInitramfs = inInitramfs;
    facts.host = firstLine(own + "/hostname");
    facts.machineId = firstLine(own + "/machine-id");
    facts.board = firstLine(root + "/sys/class/dmi/id/board_name");
    facts.product = firstLine(root + "/sys/class/dmi/id/product_name");
    if (!facts.product)
        facts.product = firstLine(root + "/proc/device-tree/model");
    if (root.empty())
        facts.virtualization = detectVirtualization();
    if (const auto line = readWholeFile(root + "/proc/cmdline"))
        facts.commandLine = commandLineWords(*line);
    return facts;
}

} // namespace vfiobind
