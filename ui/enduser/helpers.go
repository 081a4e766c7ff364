package enduser

import (
	"strings"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// messages lists the form's errors in the order of its fields.
func messages(errors map[string]string) []kit.FieldMessage {
	var found []kit.FieldMessage
	for _, name := range []string{"email", "password"} {
		if errors[name] != "" {
			found = append(found, kit.FieldMessage{FieldID: kit.FieldID(name), Text: errors[name]})
		}
	}
	return found
}

// switchAction lets only a path of this origin through.
func (p ConsentPage) switchAction() templ.SafeURL {
	if !strings.HasPrefix(p.SwitchAction, "/") || strings.HasPrefix(p.SwitchAction, "//") || strings.HasPrefix(p.SwitchAction, `/\`) {
		return templ.SafeURL("/sign-in")
	}
	return templ.SafeURL(p.SwitchAction)
}

// field is the name of a scope's tick in the form.
func (s Scope) field() string { return "scope." + s.ID }
