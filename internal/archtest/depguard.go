package archtest

import (
	"fmt"
	"strings"
)

const (
	depguardBegin = "        # floor plan: written by make gen from internal/archtest/plan.go\n"
	depguardEnd   = "        # end of the floor plan\n"
)

// depguardRules writes the direct rules of the plan in depguard's terms, so
// that an editor shows a breach at once. The transitive rules have no such form.
func depguardRules(module string) string {
	var b strings.Builder
	b.WriteString(depguardBegin)
	for i, e := range floorPlan {
		if matchesAny(e.mayOurs, "cmd/emcy") {
			continue // it may import everything
		}
		fmt.Fprintf(&b, "        %s:\n          list-mode: lax\n          files:\n", ruleName(e.packages[0]))
		for _, p := range e.packages {
			fmt.Fprintf(&b, "            - %q\n", fileGlob(p))
		}
		b.WriteString("            - \"!$test\"\n")
		for _, earlier := range floorPlan[:i] {
			for _, p := range earlier.packages {
				if matchesAny(e.packages, strings.TrimSuffix(p, "/...")) {
					fmt.Fprintf(&b, "            - %q\n", "!"+fileGlob(p))
				}
			}
		}
		if len(e.mayOurs) > 0 {
			b.WriteString("          allow:\n")
			for _, p := range e.mayOurs {
				for _, pkg := range packagePrefixes(module + "/" + p) {
					fmt.Fprintf(&b, "            - %s\n", pkg)
				}
			}
		}
		fmt.Fprintf(&b, "          deny:\n            - pkg: %s\n              desc: %q\n", module,
			"the floor plan denies it: declare the need as an interface here and satisfy it in cmd")
	}
	for _, rule := range onlyImporters {
		fmt.Fprintf(&b, "        %s:\n          list-mode: lax\n          files:\n            - $all\n            - \"!$test\"\n", ruleName("only "+rule.imported))
		for _, p := range join(rule.importers, outside) {
			fmt.Fprintf(&b, "            - %q\n", "!"+fileGlob(p))
		}
		b.WriteString("          deny:\n")
		for _, pkg := range packagePrefixes(rule.imported) {
			fmt.Fprintf(&b, "            - pkg: %s\n              desc: %q\n", pkg, rule.cure)
		}
	}
	b.WriteString(depguardEnd)
	return b.String()
}

// fileGlob names the files of the packages that a pattern means.
func fileGlob(p pattern) string {
	if base, ok := strings.CutSuffix(p, "/..."); ok {
		return "${base-path}/" + base + "/**"
	}
	return "${base-path}/" + p + "/*.go"
}

// packagePrefixes translates a pattern: depguard takes prefixes, and "$" ends one.
func packagePrefixes(p pattern) []string {
	if base, ok := strings.CutSuffix(p, "/..."); ok {
		return []string{base + "$", base + "/"}
	}
	return []string{p + "$"}
}

func ruleName(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.Replace(s, "/...", " and below", 1)), "-")
}
