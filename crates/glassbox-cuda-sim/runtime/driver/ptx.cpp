// Reads PTX text.
#include "ptx.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

namespace driver::ptx {
namespace {
bool is_word(char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

// The words of a text; signs stand alone, and a dot belongs to the word that it begins.
std::vector<std::string> words(const std::string& text, size_t begin, size_t end) {
    std::vector<std::string> found;
    while (begin < end) {
        char c = text[begin];
        size_t next = begin + 1;
        if (c == '.' || is_word(c))
            while (next < end && is_word(text[next])) ++next;
        if (!isspace(static_cast<unsigned char>(c))) found.push_back(text.substr(begin, next - begin));
        begin = next;
    }
    return found;
}

// `.u64` is 8 bytes, `.b8` one.
unsigned bytes_of_type(const std::string& word) {
    if (word.size() < 3 || word[0] != '.' || !isdigit(static_cast<unsigned char>(word[2]))) return 0;
    bool is_type = word[1] == 'u' || word[1] == 's' || word[1] == 'b' || word[1] == 'f';
    return is_type ? static_cast<unsigned>(atoi(word.c_str() + 2)) / 8 : 0;
}

// The sizes of variables declared with the word `space`, each up to a comma, a semicolon or the end.
std::vector<unsigned> declared(const std::vector<std::string>& words, const char* space) {
    std::vector<unsigned> sizes;
    for (size_t i = 0; i < words.size(); ++i) {
        if (words[i] != space) continue;
        unsigned bytes = 0, count = 1;
        for (size_t k = i + 1; k < words.size() && words[k] != "," && words[k] != ";"; ++k) {
            if (bytes == 0) bytes = bytes_of_type(words[k]);
            if (words[k] == "[" && k + 1 < words.size()) count *= static_cast<unsigned>(atoi(words[k + 1].c_str()));
        }
        if (bytes != 0) sizes.push_back(bytes * count);
    }
    return sizes;
}
}  // namespace

std::optional<Version> version(const std::string& text) {
    Version version;
    size_t at = text.find(".version");
    if (at == std::string::npos) return {};
    if (sscanf(text.c_str() + at, ".version %d.%d", &version.major, &version.minor) != 2) return {};
    return version;
}

int target(const std::string& text) {
    int target = 0;
    size_t at = text.find(".target");
    if (at != std::string::npos) sscanf(text.c_str() + at, ".target sm_%d", &target);
    return target;
}

std::optional<Entry> entry(const std::string& text, const std::string& name) {
    for (size_t at = 0; (at = text.find(".entry", at)) != std::string::npos; ++at) {
        size_t begin = text.find_first_not_of(" \t\r\n", at + 6);
        if (begin == std::string::npos || text.compare(begin, name.size(), name) != 0) continue;
        if (is_word(text[begin + name.size()])) continue;
        size_t open = text.find('{', begin), close = text.find("\n}", begin);
        if (open == std::string::npos) open = text.size();
        if (close == std::string::npos) close = text.size();
        Entry entry;
        std::vector<std::string> head = words(text, begin, open);
        entry.parameters = declared(head, ".param");
        for (size_t i = 0; i + 1 < head.size(); ++i)
            if (head[i] == ".maxntid") entry.most_threads = static_cast<unsigned>(atoi(head[i + 1].c_str()));
        for (unsigned bytes : declared(words(text, open, close), ".shared")) entry.shared_bytes += bytes;
        return entry;
    }
    return {};
}
}  // namespace driver::ptx
