// SPDX-License-Identifier: LGPL-2.1-or-later
// The program's writes: recorded, and made to fail, hang or be the last where a test wants it.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cerrno>
#include <ranges>

namespace vfiobind {

using namespace faketext;

std::string FakeWrite::str() const {
    std::string outcome = "ok";
    if (result == hung)
        outcome = "hung";
    else if (result == killed)
        outcome = "killed";
    else if (result != 0)
        outcome = errnoName(result);
    return path + " <- " + chomp(data) + ": " + outcome;
}

void FakeKernel::stopIfDead() const {
    if (dead_)
        throw Killed{};
}

void FakeKernel::failAt(std::size_t nth, Fault fault) {
    const std::size_t target = writeCount_ + nth;
    // Evaluated in the middle of that write, whose number is the count of those before it.
    faults_.push_back({.when = nullptr, .fault = std::move(fault), .times = 1, .number = target});
}

void FakeKernel::failWhen(std::function<bool(const FakeWrite&)> when, Fault fault, unsigned times) {
    faults_.push_back({.when = std::move(when), .fault = std::move(fault), .times = times, .number = {}});
}

std::optional<Fault> FakeKernel::takeFault(const FakeWrite& write) {
    for (auto it = faults_.begin(); it != faults_.end(); ++it) {
        const bool hit = it->number ? *it->number == writeCount_ : it->when(write);
        if (!hit || (neverFail && neverFail(write)))
            continue;
        const Fault fault = it->fault;
        if (--it->times == 0)
            faults_.erase(it);
        ++faultsHit_;
        return fault;
    }
    return std::nullopt;
}

std::string FakeKernel::deviceOfWrite(const FakeWrite& write) const {
    for (auto part : split(write.path, '/') | std::views::reverse)
        if (functions_.contains(part))
            return part;
    const std::string data = chomp(write.data);
    return functions_.contains(data) ? data : "";
}

SysResult<void> FakeKernel::write(const std::string& path, std::string_view data) {
    stopIfDead();
    const std::size_t index = writes_.size();
    writes_.push_back({.path = path, .data = std::string(data), .result = FakeWrite::hung});
    const FakeWrite write = writes_.back();
    const auto fault = takeFault(write);
    ++writeCount_;
    currentPath_ = path;

    const auto hits = [&](Fault::Kind kind) { return fault && fault->kind == kind; };
    if (hits(Fault::Kind::killBefore)) {
        writes_[index].result = FakeWrite::killed;
        dead_ = true;
        throw Killed{};
    }
    Errno code = 0;
    if (hits(Fault::Kind::error)) {
        code = fault->code;
    } else {
        if (hits(Fault::Kind::vanish))
            if (const auto device = fault->device.empty() ? deviceOfWrite(write) : fault->device;
                functions_.contains(device))
                unplug(device);
        currentPath_ = path;
        code = hits(Fault::Kind::hang) ? performHanging(path, write.data) : performOrWait(path, write.data);
    }
    settle();
    if (hits(Fault::Kind::killAfter)) {
        writes_[index].result = FakeWrite::killed;
        dead_ = true;
        throw Killed{};
    }
    writes_[index].result = code;
    if (code != 0)
        return std::unexpected(SysError{"write", path, code});
    return {};
}

FakeKernel::Errno FakeKernel::performOrWait(const std::string& path, const std::string& data) {
    try {
        return perform(path, data);
    } catch (const LockWait& wait) {
        // Nothing was done yet: the whole write happens when the lock is free.
        hangUntil({.waitsForLock = wait.lock,
                   .finish = [path, data](FakeKernel& kernel) { kernel.perform(path, data); }});
    }
}

FakeKernel::Errno FakeKernel::performHanging(const std::string& path, const std::string& data) {
    static const std::vector<std::string> reachDriver{"bind",   "unbind",       "drivers_probe", "new_id",
                                                      "remove", "sriov_numvfs", "rescan"};
    if (std::ranges::find(reachDriver, nameOf(path)) != reachDriver.end()) {
        hangArmed_ = true; // taken by the first driver that is attached or detached
        const auto code = performOrWait(path, data);
        hangArmed_ = false;
        return code;
    }
    // Anything else waits for the device's lock, which somebody else has, before it has any effect.
    const std::string device = deviceOfWrite({.path = path, .data = data});
    if (auto* locked = function(device))
        ++locked->locks;
    hangUntil({.finish = [path, data, device](FakeKernel& kernel) {
        if (auto* locked = kernel.function(device))
            --locked->locks;
        kernel.perform(path, data);
    }});
}

SysResult<void> FakeKernel::writeAsOther(const std::string& path, std::string_view data) {
    const std::string before = std::exchange(currentPath_, path);
    const auto code = performOrWait(path, std::string(data));
    settle();
    currentPath_ = before;
    if (code != 0)
        return std::unexpected(SysError{"write", path, code});
    return {};
}

void FakeKernel::hangUntil(Pending pending) {
    hangArmed_ = false;
    pending.rescanLock = removing_;
    pending_.push_back(std::move(pending));
    throw Hung{currentPath_};
}

bool FakeKernel::takeHang() {
    return std::exchange(hangArmed_, false);
}

void FakeKernel::finishPending(const std::function<bool(const Pending&)>& which) {
    for (;;) {
        const auto it = std::ranges::find_if(pending_, which);
        if (it == pending_.end())
            return;
        const Pending pending = std::move(*it);
        pending_.erase(it);
        const bool removing = std::exchange(removing_, pending.rescanLock);
        try {
            pending.finish(*this);
        } catch (const Hung&) {
            // It waits again, for something else: hangUntil() has noted what for.
        } catch (const LockWait& wait) {
            pending_.push_back(
                {.waitsForLock = wait.lock, .finish = pending.finish, .rescanLock = pending.rescanLock});
        }
        removing_ = removing;
    }
}

void FakeKernel::settle() {
    finishPending([this](const Pending& pending) {
        return (!pending.waitsForLock.empty() && lockFree(pending.waitsForLock)) ||
               (!pending.waitsForHolders.empty() && !heldOpen(pending.waitsForHolders));
    });
}

void FakeKernel::finishHang() {
    finishPending([](const Pending& pending) {
        return pending.waitsForLock.empty() && pending.waitsForHolders.empty();
    });
    settle();
}

} // namespace vfiobind
