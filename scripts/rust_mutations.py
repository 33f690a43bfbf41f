"""Small mutations of Rust text, for `scripts/mutate`: what of a file a citation is about, and in which ways it can be broken.

Tokens and brackets alone: whether a mutant compiles is for the compiler to say.
"""
import bisect
import re

# Of a statement its first lines: of these a citation speaks.
STATEMENT_LINES = 12
TOKEN = re.compile(
    r'(?P<space>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>b?r(?P<hash>#*)".*?"(?P=hash)|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\')'
    r"|(?P<life>'\w+)|(?P<number>\d[\w]*(?:\.\d\w*)?)|(?P<word>\w+)|(?P<sign>[-=]>|[=!<>]=|&&|\|\||::|\.\.=?|.)",
    re.DOTALL,
)
OPEN, CLOSE = "([{", ")]}"
FLIPPED = {"==": "!=", "!=": "==", "<": ">=", ">": "<=", "<=": ">", ">=": "<", "&&": "||", "||": "&&", "true": "false", "false": "true", "+": "-", "-": "+"}
# A text that goes into a log or a panic is no rule.
SILENT = ("log", "debug_assert", "debug_assert_eq", "expect", "debug", "info", "warn", "error", "trace")


class Source:
    """A file as tokens (kind, text, offset), with the brackets that belong together and the functions."""

    def __init__(self, path, begins_item):
        self.path, self.begins_item = path, begins_item
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        found = [(match.lastgroup, match.group(), match.start()) for match in TOKEN.finditer(self.text)]
        self.tokens = [("text" if kind == "hash" else kind, text, at) for kind, text, at in found if kind != "space"]
        self.at, self.partner, stack = [token[2] for token in self.tokens], {}, []
        for index, (kind, text, _) in enumerate(self.tokens):
            if kind == "sign" and text in OPEN:
                stack.append(index)
            elif kind == "sign" and text in CLOSE:
                self.partner[stack[-1]] = index
                self.partner[index] = stack.pop()
        # (first token of the body, its last, whether it is const), innermost last
        self.functions = []
        for index, (_, text, _) in enumerate(self.tokens):
            if text == "fn" and self.tokens[index + 1][0] == "word":
                body = self.item_end(index)
                if self.tokens[body][1] == "}":
                    const = "const" in [token[1] for token in self.tokens[max(index - 2, 0):index]]
                    self.functions.append((self.partner[body], body, const))

    def item_end(self, index):
        """The token that ends the item: its semicolon, or the bracket of its body."""
        while self.tokens[index][1] != ";" and index + 1 < len(self.tokens):
            if self.tokens[index][1] in OPEN and index in self.partner:
                closed = self.partner[index]
                if self.tokens[index][1] == "{" and self.tokens[closed + 1:][:1] != [("sign", ";", self.at[closed] + 1)]:
                    return closed
                index = closed
            index += 1
        return index

    def statement_end(self, index):
        """The token after the statement, arm or field that begins here."""
        while index < len(self.tokens):
            text = self.tokens[index][1]
            if text in CLOSE and index in self.partner:
                return index
            if text in (";", ","):
                return index + 1
            if text in OPEN and index in self.partner:
                index = self.partner[index]
                after = self.tokens[index + 1][1] if index + 1 < len(self.tokens) else ""
                if text == "{" and after not in ("else", ".", "?", ",", ";", "=>", "|", "&&", "||", "==", ")", "as"):
                    return index + 1
            index += 1
        return index

    def below(self, line):
        """What a citation on this line (counted from one) is about, as spans of tokens, the nearest first."""
        lines, here = self.text.split("\n"), line
        while lines[here].strip().startswith(("//", "#[", "#![")) or not lines[here].strip():
            here += 1
        first = bisect.bisect_left(self.at, sum(len(text) + 1 for text in lines[:here]))
        if self.begins_item(lines[here]):
            yield first, self.item_end(first) + 1
            return
        for _ in range(3):
            end = self.statement_end(first)
            last = sum(len(text) + 1 for text in lines[:here + STATEMENT_LINES])
            yield first, min(end, bisect.bisect_left(self.at, last))
            first = end

    def around(self, index):
        """The innermost function body that holds the token."""
        holding = [function for function in self.functions if function[0] < index < function[1]]
        return max(holding, default=None)

    def in_chain(self, index):
        """Whether the `&&` joins conditions of which one is a `let`: there is no `||` of these."""
        back = index
        while back > 0 and self.tokens[back][1] not in ("if", "while", "{", ";"):
            back -= 1
        brace = next((here for here in range(index, len(self.tokens)) if self.tokens[here][1] == "{"), index)
        return "let" in [token[1] for token in self.tokens[back:brace]]

    def negation(self, first, end):
        start = self.at[first]
        text = self.text[start:self.at[end]].rstrip()
        return "negate", start, start + len(text), f"!({text})"

    def mutations(self, first, end):
        """All (kind, offset, end, text) of a span: `text` replaces what is between."""
        tokens, begun, skip = self.tokens, first, -1
        for index in range(first, end):
            kind, text, at = tokens[index]
            after = tokens[index + 1][1] if index + 1 < len(tokens) else ""
            if text == "#" and after in ("[", "!"):
                skip = max(skip, self.partner[index + 1 + (after == "!")])
            if text in SILENT and after in ("!", "(", "::"):
                paren = next((here for here in range(index, min(index + 6, end)) if tokens[here][1] == "("), index)
                skip = max(skip, self.partner.get(paren, index))
            if index <= skip:
                continue
            spaced = self.text[at - 1] in " \n" and self.text[at + len(text)] in " \n"
            if text in FLIPPED and (kind == "word" or spaced) and not (text == "&&" and self.in_chain(index)):
                yield "flip", at, at + len(text), FLIPPED[text]
            elif text == "!" and kind == "sign" and tokens[index - 1][0] == "sign" and tokens[index - 1][1] not in ")]":
                yield "negate", at, at + 1, ""
            elif text == "if" and after != "let":
                brace = next((here for here in range(index, len(tokens)) if tokens[here][1] in ("{", "=>")), None)
                if brace and "let" not in [token[1] for token in tokens[index:brace]]:
                    yield self.negation(index + 1, brace)
            elif text == "let" and tokens[index + 2][1] == "=" and tokens[index - 1][1] in ";{}":
                yield self.negation(index + 3, self.statement_end(index) - 1)
            elif text == "{" and "fn" in [token[1] for token in tokens[first:first + 4]] and index + 1 < self.partner[index] == end - 1:
                # A body that is nothing but its result, of which the compiler says whether it can be negated.
                if ";" not in [token[1] for token in tokens[index:end]]:
                    yield self.negation(index + 1, end - 1)
            elif kind == "number" and (number := re.fullmatch(r"(0x[0-9a-f_]+|[\d_]+)([iu]\w+)?", text)):
                yield "number", at, at + len(text), str(2 * int(number[1], 0) + 1) + (number[2] or "")
            elif kind == "word" and after == "::" and re.fullmatch(r"[A-Z]\w*" if text[0].isupper() else r"[A-Z0-9_]+", tokens[index + 2][1]):
                name, called = tokens[index + 2][1], tokens[index + 3][1] == "("
                like = r"[A-Z0-9_]+" if name.isupper() else r"[A-Z]\w*[a-z]\w*"
                others = re.findall(rf"\b{text}::({like})\b(?={'[(]' if called else '[^(:{]'})", self.text)
                if other := another(name, others):
                    yield "variant", at, tokens[index + 2][2] + len(name), f"{text}::{other}"
            elif kind == "word" and re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", text) and tokens[index - 1][1] not in ("::", "const", "static"):
                if other := another(text, re.findall(r"(?<!:)\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b(?!:)", self.text)):
                    yield "constant", at, at + len(text), other
            elif kind == "text" and text[-1] == '"' and not text.startswith(("r", "br")):
                yield "words" if len(text) > 2 else "flip", at, at + len(text), text[:-1] + '!"'
            whole = all(begun <= self.partner.get(here, here) <= index for here in range(begun, index))
            if text == ";" and begun < index and whole and tokens[begun][1] not in ("let", "use", "const", "static", "pub", "break", "continue"):
                kind = "no return" if tokens[begun][1] == "return" else "drop"
                yield kind, tokens[begun][2], at + 1, ""
            if text in (";", "{", "}"):
                begun = index + 1


def another(name, names):
    """Of names the next one, in order."""
    names = sorted(set(names) - {name})
    return names[bisect.bisect(names, name) % len(names)] if names else None
