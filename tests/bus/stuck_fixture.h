// SPDX-License-Identifier: LGPL-2.1-or-later
/// A daemon with a rule of which a step hangs.
#pragma once

#include "fixture.h"

namespace vfiobind::bustest {

inline const std::string slowRule =
    "[defaults]\ntimeout = \"200ms\"\n[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n";

class StuckTest : public BusTest {
protected:
    /// The NIC's rule is carried out, and its unbind hangs until it is stuck.
    void startStuck() {
        start();
        configure(slowRule);
        tell("hang-at e1000e/unbind <- " + nic);
        client().manager().Reload();
        client().waitForState(3, "stuck");
    }
    std::string onlyJob() { return client().root("Jobs").at(0).get<std::string>(); }
};

} // namespace vfiobind::bustest
