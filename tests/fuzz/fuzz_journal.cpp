// SPDX-License-Identifier: LGPL-2.1-or-later
// The journal file that an earlier run left.
#include "must.h"
#include "transaction/journal.h"

#include <cstddef>
#include <cstdint>

namespace {

using namespace vfiobind;
using fuzz::must;

void plain(const std::string& name) {
    must(name.find('/') == std::string::npos && name.find('\n') == std::string::npos && name != "..",
         "a driver's name leads no write elsewhere", name);
}

void readJournal(std::string_view text) {
    const auto journal = Journal::fromJson(text);
    if (!journal)
        return fuzz::must(!journal.error().empty(), "an error says what is wrong");
    for (const auto& member : journal->members) {
        plain(member.driver);
        plain(member.toDriver);
        plain(member.override);
        plain(member.toOverride);
    }
    for (const auto& [driver, line] : journal->dynamicIds)
        plain(driver);
    const auto again = Journal::fromJson(journal->toJson());
    must(again.has_value(), "what is written is read", journal->toJson());
    must(*again == *journal, "what is written means the same", journal->toJson());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    readJournal(text);
    return 0;
}
