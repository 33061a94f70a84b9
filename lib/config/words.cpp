// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vfiobind {

namespace {

/// Longer words are no slip of a known one, and the distance costs their product.
constexpr std::size_t longestWord = 64;

std::string folded(std::string_view word) {
    std::string out{word.substr(0, longestWord)};
    for (char& c : out) {
        if (c == '_')
            c = '-';
        else if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

} // namespace

std::size_t editDistance(std::string_view first, std::string_view second) {
    const std::string a = folded(first);
    const std::string b = folded(second);
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            const std::size_t changed = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            cost[i][j] = std::min({changed, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

std::vector<std::string_view> nearest(std::string_view word, std::span<const std::string_view> known,
                                      std::size_t most) {
    std::vector<std::pair<std::size_t, std::string_view>> ranked;
    for (const auto candidate : known)
        ranked.emplace_back(editDistance(word, candidate), candidate);
    std::ranges::stable_sort(ranked, {}, &std::pair<std::size_t, std::string_view>::first);
    ranked.resize(std::min(most, ranked.size()));
    std::vector<std::string_view> words;
    for (const auto& entry : ranked)
        words.push_back(entry.second);
    return words;
}

std::string didYouMean(std::string_view word, std::span<const std::string_view> known) {
    const auto best = nearest(word, known, 1);
    if (best.empty() || editDistance(word, best[0]) > std::max<std::size_t>(1, best[0].size() / 3))
        return {};
    return fmt::format("did you mean \"{}\"?", best[0]);
}

std::string didYouMeanOrOneOf(std::string_view word, std::span<const std::string_view> known) {
    auto guess = didYouMean(word, known);
    if (!guess.empty())
        return guess;
    return fmt::format("write {}{}", known.size() > 1 ? "one of " : "", fmt::join(known, ", "));
}

} // namespace vfiobind
