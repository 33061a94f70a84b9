// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <expected>
#include <libkmod.h>
#include <memory>
#include <string>
#include <vector>

namespace vfiobind {

/// libkmod, loaded with dlopen(3) at the first look-up of a module: libkmod brings libcrypto, a sixth of the
/// memory of a daemon that looks nothing up. It is never unloaded, since libcrypto cannot be.
class Libkmod {
public:
    /// Throws std::runtime_error with a sentence if the library cannot be loaded or set up.
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
    /// Returns the modules that serve the alias. The error is a negative errno. kmod 30 takes an index that
    /// cannot be opened for an empty one.
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
