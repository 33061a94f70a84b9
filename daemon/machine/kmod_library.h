// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <expected>
#include <libkmod.h>
#include <memory>
#include <string>
#include <vector>

namespace vfiobind {

/// libkmod, which is loaded (dlopen(3)) by whoever first looks a module up: it brings libcrypto, a sixth of
/// the memory of a daemon that has nothing to look up. It is never unloaded, as libcrypto cannot be.
class Libkmod {
public:
    /// Throws std::runtime_error with a sentence where the library cannot be loaded or set up.
    Libkmod();
    Libkmod(const Libkmod&) = delete;
    Libkmod& operator=(const Libkmod&) = delete;

    class Module {
    public:
        std::string name() const { return kmod_->getName_(module_.get()); }

    private:
        friend class Libkmod;
        Module(const Libkmod& kmod, kmod_module* module) : kmod_(&kmod), module_(module, kmod.unrefModule_) {}
        const Libkmod* kmod_;
        std::unique_ptr<kmod_module, decltype(&::kmod_module_unref)> module_;
    };

    /// Where the running kernel's modules are: /lib/modules/RELEASE, or where libkmod was built for.
    std::string directory() const { return getDirname_(context_.get()); }
    /// The modules that serve the alias. The error is a negative errno. An index that cannot be opened is an
    /// empty one to kmod 30.
    std::expected<std::vector<Module>, int> serving(const std::string& alias) const;

private:
    decltype(&::kmod_new) new_;
    decltype(&::kmod_unref) unref_;
    decltype(&::kmod_get_dirname) getDirname_;
    decltype(&::kmod_module_new_from_lookup) newFromLookup_;
    decltype(&::kmod_module_unref) unrefModule_;
    decltype(&::kmod_module_unref_list) unrefList_;
    decltype(&::kmod_list_next) next_;
    decltype(&::kmod_module_get_module) getModule_;
    decltype(&::kmod_module_get_name) getName_;
    std::unique_ptr<kmod_ctx, decltype(&::kmod_unref)> context_{nullptr, nullptr};
};

} // namespace vfiobind
