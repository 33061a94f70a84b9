// SPDX-License-Identifier: LGPL-2.1-or-later
// What comes from outside the process in JSON: the journal file that an earlier run left, and a worker's
// messages.
#include "must.h"
#include "transaction/journal.h"
#include "work/work.h"

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

void readMessage(std::string_view text) {
    const auto message = decode(text);
    if (!message)
        return must(!message.error().empty(), "an error says what is wrong");
    const auto line = encode(*message);
    must(line.find('\n') == std::string::npos, "a message is one line", line);
    const auto again = decode(line);
    must(again.has_value(), "what is sent is understood", line);
    must(*again == *message, "what is sent means the same", line);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    readJournal(text);
    readMessage(text);
    return 0;
}
