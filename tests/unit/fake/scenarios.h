// SPDX-License-Identifier: LGPL-2.1-or-later
/// Machines on which one group is bound or released: what every transaction test goes through.
#pragma once

#include "fake/fake_kernel.h"
#include "plan/plan.h"
#include "transaction/transaction.h"

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace vfiobind {

struct Scenario {
    std::string name; ///< with the cases that it shows
    std::function<FakeKernel()> machine;
    unsigned group = 0;
    Wanted wanted{};
    Drivers drivers{}; ///< all but `registered`, which is read from the machine
    std::map<std::string, std::string>
        end{}; ///< drivers of the devices that must come out so; the rest stays

    friend std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
        return out << scenario.name;
    }
};

/// The table.
const std::vector<Scenario>& scenarios();

/// Plans the scenario's group as a worker does: the machine is read now, overrides included.
GroupPlan planOf(const Scenario& scenario, const Sysfs& sysfs);

/// Plans and carries out.
Outcome carryOut(const Scenario& scenario, Sysfs& sysfs, JournalStore& journals);

} // namespace vfiobind
