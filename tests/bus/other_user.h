// SPDX-License-Identifier: LGPL-2.1-or-later
/// A client that is not root, in a process of its own.
#pragma once

#include <functional>
#include <string>
#include <sys/types.h>

namespace vfiobind::bustest {

inline constexpr uid_t nobody = 65534;

class OtherUser {
public:
    /// Forks at once; `act` runs in the child, as nobody, when go() is called. Fails the test when this is
    /// not root.
    explicit OtherUser(std::function<std::string()> act);
    ~OtherUser(); ///< kills it
    OtherUser(const OtherUser&) = delete;
    OtherUser& operator=(const OtherUser&) = delete;

    void go() const;
    void kill() const;
    /// What `act` returned, or the text of the exception that left it. Waits for the end.
    std::string report();

private:
    int pid_ = -1;
    int start_ = -1;
    int report_ = -1;
};

} // namespace vfiobind::bustest
