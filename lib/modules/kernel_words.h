// SPDX-License-Identifier: LGPL-2.1-or-later
/// Parameters as the kernel reads them: of its command line, and of a module that is loaded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

struct KernelWord {
    std::string text;                 ///< as written, quotes included
    std::string name;                 ///< `vfio-pci.ids`
    std::optional<std::string> value; ///< without its quotes; none where there is no `=`
    bool operator==(const KernelWord&) const = default;
};

/// The parameters of a command line, split as lib/cmdline.c (next_arg) does: blanks in double quotes part
/// nothing, a quote at the beginning of the word or of the value is taken off with its end. What stands after
/// a lone `--` is for init and left out.
std::vector<KernelWord> kernelWords(std::string_view line);

/// A module's or parameter's name as the kernel compares it: `-` and `_` are one.
std::string underscored(std::string name);

/// `vfio_pci` and `ids` of `vfio-pci.ids`; nothing for a parameter that is no module's.
struct ModuleParameter {
    std::string module; ///< underscored
    std::string parameter;
};
std::optional<ModuleParameter> moduleParameter(const KernelWord& word);

/// Whether a list such as `modprobe.blacklist=a,b` of this key names the module; it may stand there more than
/// once.
bool listsModule(const std::vector<KernelWord>& words, std::string_view key, const std::string& module);

} // namespace vfiobind
