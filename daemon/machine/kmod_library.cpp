// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine/kmod_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdexcept>

namespace vfiobind {
namespace {

constexpr auto soname = "libkmod.so.2";

[[noreturn]] void cannot() {
    throw std::runtime_error(fmt::format("{} cannot be loaded: {}; is kmod installed?", soname, dlerror()));
}

template <typename Function>
void find(void* handle, Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(handle, name));
    if (function == nullptr)
        cannot();
}

} // namespace

Libkmod::Libkmod() {
    void* handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        cannot();
    find(handle, new_, "kmod_new");
    find(handle, unref_, "kmod_unref");
    find(handle, getDirname_, "kmod_get_dirname");
    find(handle, newFromLookup_, "kmod_module_new_from_lookup");
    find(handle, unrefModule_, "kmod_module_unref");
    find(handle, unrefList_, "kmod_module_unref_list");
    find(handle, next_, "kmod_list_next");
    find(handle, getModule_, "kmod_module_get_module");
    find(handle, getName_, "kmod_module_get_name");
    context_ = {new_(nullptr, nullptr), unref_};
    if (!context_)
        throw std::runtime_error("libkmod cannot be set up (kmod_new)");
}

std::expected<std::vector<Libkmod::Module>, int> Libkmod::serving(const std::string& alias) const {
    kmod_list* raw = nullptr;
    if (const int code = newFromLookup_(context_.get(), alias.c_str(), &raw); code < 0)
        return std::unexpected(code);
    const std::unique_ptr<kmod_list, decltype(unrefList_)> list(raw, unrefList_);
    std::vector<Module> found;
    for (kmod_list* item = raw; item != nullptr; item = next_(raw, item))
        found.push_back({*this, getModule_(item)});
    return found;
}

} // namespace vfiobind
