// SPDX-License-Identifier: LGPL-2.1-or-later
// Configuration files: a policy whose parts are sound, or errors that say where and what. The input is the
// main file, after a NUL a drop-in, and so on.
#include "config/config.h"
#include "must.h"
#include "pci/text.h"

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <set>

namespace {

using namespace vfiobind;
using fuzz::must;

void look(const Policy& policy) {
    std::set<std::string> names;
    for (const auto& rule : policy.rules) {
        must(!rule.name.empty() &&
                 rule.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789-_") == std::string::npos,
             "a rule's name becomes a file's name", rule.name);
        must(names.insert(rule.name).second, "a rule's name is unique", rule.name);
        must(!rule.devices.empty(), "a rule names devices", rule.name);
        must(rule.timeout.count() > 0, "a timeout takes time", rule.name);
        for (const auto& text : {rule.driver, rule.node.group, rule.node.owner})
            must(text.find_first_of("/\n\"") == std::string::npos && text.find('\0') == std::string::npos,
                 "what goes into paths and udev rules is a plain name", text);
        must(policy.find(rule.name) == &rule, "a rule is found by its name", rule.name);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    std::vector<ConfigText> texts;
    for (const auto part : split(input, '\0'))
        texts.push_back({fmt::format("/etc/{}.toml", texts.size()), std::string(part)});
    const auto policy = parsePolicy(texts);
    if (policy) {
        look(*policy);
        return 0;
    }
    must(!policy.error().empty(), "a refusal has a reason");
    for (const auto& error : policy.error()) {
        fuzz::mustBeSentence(error.str());
        must(error.str().starts_with("/etc/"), "an error says in which file", error.str());
    }
    return 0;
}
