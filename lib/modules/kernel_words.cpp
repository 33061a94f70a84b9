// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modules/kernel_words.h"

#include "pci/text.h"

#include <algorithm>

namespace vfiobind {
namespace {

/// The kernel's isspace (lib/ctype.c) in ASCII.
bool isSpace(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Where the word that begins at `begin` ends.
std::size_t endOfWord(std::string_view line, std::size_t begin) {
    bool quoted = false;
    std::size_t at = begin;
    for (; at < line.size() && (quoted || !isSpace(line[at])); ++at)
        if (line[at] == '"')
            quoted = !quoted;
    return at;
}

KernelWord readWord(std::string_view text) {
    KernelWord word{.text = std::string(text), .name = {}, .value = {}};
    const bool quoted = text.starts_with('"');
    if (quoted)
        text.remove_prefix(1);
    const auto equals = text.find('=', 1); // a word that begins with = has no name
    const bool valueQuoted = equals != std::string_view::npos && text.substr(equals + 1).starts_with('"');
    const bool opensOnly = valueQuoted && text.size() == equals + 2;
    if ((quoted || valueQuoted) && text.ends_with('"') && !opensOnly)
        text.remove_suffix(1);
    word.name = text.substr(0, equals);
    if (equals != std::string_view::npos)
        word.value = text.substr(equals + (valueQuoted ? 2 : 1));
    return word;
}

} // namespace

std::vector<KernelWord> kernelWords(std::string_view line) {
    std::vector<KernelWord> words;
    std::size_t at = 0;
    for (;;) {
        while (at < line.size() && isSpace(line[at]))
            ++at;
        if (at == line.size())
            return words;
        const auto end = endOfWord(line, at);
        auto word = readWord(line.substr(at, end - at));
        if (!word.value && word.name == "--")
            return words;
        words.push_back(std::move(word));
        at = end;
    }
}

std::string underscored(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
}

std::optional<ModuleParameter> moduleParameter(const KernelWord& word) {
    const auto dot = word.name.find('.');
    if (dot == std::string::npos)
        return std::nullopt;
    return ModuleParameter{underscored(word.name.substr(0, dot)), word.name.substr(dot + 1)};
}

bool listsModule(const std::vector<KernelWord>& words, std::string_view key, const std::string& module) {
    for (const auto& word : words)
        if (word.name == key && word.value)
            for (const auto name : split(*word.value, ','))
                if (underscored(std::string(name)) == module)
                    return true;
    return false;
}

} // namespace vfiobind
