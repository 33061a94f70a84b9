// SPDX-License-Identifier: LGPL-2.1-or-later
/// The fake kernel's modules as the daemon asks for them.
#pragma once

#include "fake/fake_kernel.h"
#include "loop/event_loop.h"
#include "machine/modules.h"

#include <list>
#include <string>
#include <vector>

namespace vfiobind {

class FakeModules final : public Modules {
public:
    FakeModules(EventLoop& loop, FakeKernel& kernel) : loop_(loop), kernel_(kernel) {}
    std::optional<std::vector<std::string>> native(const Ids& ids) override;
    std::string automatic(const Ids& ids) override;
    std::uint64_t revision() override { return std::hash<std::string>{}(kernel_.modulesAlias()); }
    bool loaded(const std::string& module) override;
    void load(std::vector<std::string> modules, std::function<void()> done) override;
    bool canLoad(const std::string& driver) override;
    std::string whyMissing(const std::string& driver) override;
    bool idle() const { return loading_.empty(); }
    /// While set, which modules serve a device cannot be told.
    bool noIndex = false;

private:
    struct Alias {
        std::string pattern;
        std::string module;
    };
    /// Those of modules.alias that fit.
    std::vector<Alias> fitting(const std::string& alias) const;

    EventLoop& loop_;
    FakeKernel& kernel_;
    std::list<EventSource> loading_;
};

} // namespace vfiobind
