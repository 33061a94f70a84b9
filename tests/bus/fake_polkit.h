// SPDX-License-Identifier: LGPL-2.1-or-later
/// polkit's part of the talk, on a thread of its own.
#pragma once

#include "Polkit-adaptor.h"
#include "dbus/sdbus_compat.h"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace vfiobind::bustest {

struct PolkitCall {
    std::string subject; ///< `system-bus-name :1.5`
    std::string action;
    std::map<std::string, std::string> details;
    bool mayAskUser = false;
};

class FakePolkit {
public:
    enum class Word {
        yes,
        no,
        afterAuthentication, ///< the user is asked where the call allows it, and knows the password
        noAgent,             ///< the user may be asked, and there is nobody to do it
        yesLater,            ///< at sayYes()
        silence,             ///< a polkitd that hangs
        silenceWhenAsked,    ///< the user does not come to an end
    };
    explicit FakePolkit(std::map<std::string, Word> words); ///< by action; the others are `no`
    ~FakePolkit();
    FakePolkit(const FakePolkit&) = delete;
    FakePolkit& operator=(const FakePolkit&) = delete;

    /// Waits until there were so many calls.
    std::vector<PolkitCall> calls(std::size_t count);
    void sayYes();
    void waitForCancel(std::size_t count = 1);

private:
    class Authority;
    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<Authority> authority_;
};

} // namespace vfiobind::bustest
