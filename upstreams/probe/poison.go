package probe

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// maxOrder is how much of a suspicious phrase is shown.
const maxOrder = 60

// commanding are the turns of phrase by which a description gives orders to the model that reads it,
// instead of saying what a tool does. They are matched on text in one case, without what is invisible and
// with single spaces.
var commanding = regexp.MustCompile(strings.Join([]string{
	// Markup that models take for their operator's.
	`</?(important|system|critical|secret|hidden|admin|assistant|instructions?|system[-_ ]prompt)\b[^<>]{0,40}>`,
	`<\|?(im_start|im_end|endoftext|begin_of_text|start_header_id|eot_id)\|?>?`,
	`\[/?(inst|system|assistant|sys)\]`, `<</?sys>>`,
	`(^|[.!?] )(system|assistant) ?: `,
	// Taking back what was said before.
	`\b(ignore|disregard|forget|override|bypass) ((all|any|every|each|the|your|of|these|those|my|other|previous|prior|above|earlier|preceding|system|safety) ?)+ ?(instructions?|prompts?|messages?|rules?|guidelines?|directives?|policy|policies|context)\b`,
	`\bnew instructions? ?:`,
	`\byou are now (a|an|in|the)\b`,
	// Keeping it from the user.
	`\b(do not|don't|don’t|never|must not|should not|without) (ever )?(tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|revealing|show|showing|ask|asking|alert|alerting)( (this|it|that|anything))?( (to|about this to))? (the |your )?(user|human|person)\b`,
	`\b(hide|conceal|keep) (this|it|that)( \w+)? (from|secret from) (the |your )?(user|human)\b`,
	`\b(the )?user (must|should|need|does) (not|n't) (see|know|be told|notice|need to know)\b`,
	// Carrying things off.
	`(~|\$home|/home/\w+|/root)/\.(ssh|aws|cursor|gnupg|config|kube|netrc|npmrc|env)\b`, `\bid_(rsa|ed25519)\b`, `/etc/(passwd|shadow)\b`,
	`\bpass (its|their|the|this|that) (full |whole |entire )?(contents?|value|result|output)s? (as|in|into|to|through|via)\b`,
	`\b(system prompt|conversation history|chat history|full conversation)\b`,
	`!\[[^\]]{0,80}\]\(https?://`,
}, "|"))

// orders returns the part of a text that reads like orders to the model, "" when there is none.
func orders(s string) string { return commanding.FindString(plainly(s)) }

// plainly is a text as a model reads it, whatever letters it is written with.
func plainly(s string) string {
	s = strings.Map(func(r rune) rune {
		if invisible(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, norm.NFKC.String(s))
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}

// hidden names what a text hides.
func hidden(s string) string {
	var kinds []string
	for _, r := range s {
		var kind string
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			continue
		case r == '\x1b' || r == '\u009b':
			kind = "terminal escape codes"
		case unicode.Is(unicode.Bidi_Control, r):
			kind = "marks that turn the direction of text"
		case r >= 0xe0000 && r <= 0xe007f:
			kind = "invisible tag letters"
		case r == zwj || r == zwnj || r == '\u200b' || r == '\ufeff' || r == '\u2060':
			kind = "characters without width"
		case invisible(r):
			kind = "invisible characters"
		default:
			continue
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return "invisible characters"
	}
	return strings.Join(kinds, ", ")
}

// ruinous are the verbs of tools that take something away.
var ruinous = []string{
	"delete", "remove", "destroy", "drop", "purge", "wipe", "erase", "truncate", "terminate", "revoke", "uninstall", "overwrite", "unlink", "rm", "kill", "reset",
}

// destroys reports the verb by which a tool's name says that it takes something away, "" when it does not.
func destroys(name string) string {
	for _, word := range words(name) {
		if slices.Contains(ruinous, word) {
			return word
		}
	}
	return ""
}

// words splits a name as written in any of the usual ways: snake_case, kebab-case, camelCase, dots.
func words(name string) []string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(r) || unicode.IsDigit(r)
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

// judgeText warns of a definition that talks to the model behind the user's back, in whatever string of it.
func (t *Tool) judgeText(clean *cleaner, raw jsontext.Value) {
	var hiding strings.Builder
	order := ""
	eachString(raw, func(_, s string) bool {
		if hides(s) {
			hiding.WriteString(s)
		}
		if order == "" {
			order = orders(s)
		}
		return false
	})
	if hiding.Len() > 0 {
		t.warn(WarnHidden, "the definition holds "+hidden(hiding.String())+", which a reader does not see and a model does")
	}
	if order != "" {
		t.warn(WarnInstructions, "its text reads like orders to the model (“"+clean.line(order, maxOrder)+"”): read the whole definition before anybody uses it")
	}
}

// judgeEffect warns of a tool whose name says that it destroys while its annotations do not.
func (t *Tool) judgeEffect(name string) {
	verb := destroys(name)
	a := t.Annotations
	switch {
	case verb == "":
	case a != nil && a.ReadOnly != nil && *a.ReadOnly:
		t.warn(WarnUnmarked, "it is marked as read-only, and its name says “"+verb+"”: clients that believe the mark do not ask before they call it")
	case a == nil || a.Destructive == nil && a.ReadOnly == nil:
		t.warn(WarnUnmarked, "its name says “"+verb+"” and no annotation says that it is destructive: clients cannot know when to ask first")
	}
}

// Show is a tool of a stored definition as it may be shown, false where that is none.
func Show(definition string) (Tool, bool) {
	clean := &cleaner{}
	raw := jsontext.Value(definition)
	def, ok := clean.define(raw)
	if !ok {
		return Tool{}, false
	}
	return judgeTool(clean, raw, def), true
}
