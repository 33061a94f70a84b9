// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "group/surroundings.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// Makes the virtual functions that rules want. Once made, they are devices like others.
class VirtualFunctions {
public:
    /// Shows an error with the physical function's group.
    using Fail = std::function<void(unsigned group, const std::string& why)>;
    VirtualFunctions(Surroundings& around, std::string stateDirectory, Fail fail) :
        around_(around), stateDirectory_(std::move(stateDirectory)), fail_(std::move(fail)) {}

    /// Begins to make functions that are missing. Also begins if a worker was killed while
    /// sriov_drivers_autoprobe was off, even if all functions exist, since the same call sets it on again. A
    /// physical function without a driver waits for the driver's event. Each physical function is served
    /// once: if somebody removes its functions they are not made again, and what failed is tried again at a
    /// reload, or when the driver is bound anew.
    void look();
    /// Makes the functions that somebody has asked for. Calls `made` when all are there and are read, or when
    /// some could not be made: then with a sentence.
    using Made = std::function<void(const std::string& failure)>;
    void make(const std::map<Address, VfOrder>& orders, Made made);
    /// Adds what make() would do, and what stands against it, since nobody can look at functions that are not
    /// there.
    void check(const std::map<Address, VfOrder>& orders, Blockers& blockers,
               std::vector<std::string>& steps) const;
    /// Whether a worker makes functions now; one that hangs in the kernel does not count.
    bool isCreating() const;
    /// What failed may be tried again.
    void forgive();
    /// The physical function is gone, and with it what was to be made: who waits for that is told.
    void forget(const Address& physicalFunction);

private:
    struct Creation {
        VfOrder order;
        std::string step;           ///< the last, for the log
        std::string failure;        ///< of the work that has ended
        std::string overdue;        ///< says which step hangs in the kernel; empty while none does
        std::unique_ptr<Work> work; ///< nullptr when it has ended
        EventSource limit;
        EventSource over;
    };
    struct Wish {
        std::set<Address> left; ///< physical functions that are not through
        std::string failure;
        Made made;
    };
    void look(const std::map<Address, VfOrder>& orders, bool unfinishedOnly);
    void settle(const Address& address, const std::string& failure);
    void create(const Device& physicalFunction, const VfOrder& order);
    void receive(const Address& address, const WorkMessage& message);
    void end(const Address& address);
    void limit(const Address& address, Creation& creation);
    void tell(const Address& address, const std::string& why);

    Surroundings& around_;
    std::string stateDirectory_;
    Fail fail_;
    std::map<Address, Creation> creations_; ///< by physical function
    std::vector<std::shared_ptr<Wish>> wishes_;
};

} // namespace vfiobind
