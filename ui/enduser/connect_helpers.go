package enduser

import "github.com/emcy/gateway/ui/kit"

// maxKey is the longest API key that the form takes, in bytes.
const maxKey = 4096

func (p ConnectPage) title() string {
	if p.Again {
		return "Connect your " + p.Name + " account again"
	}
	return "Connect your " + p.Name + " account"
}

func (p ConnectPage) button() string {
	if p.Key != nil {
		return "Save and connect"
	}
	return "Connect " + p.Name
}

func keyMessages(k *ConnectKey) []kit.FieldMessage {
	if k.Error == "" {
		return nil
	}
	return []kit.FieldMessage{{FieldID: kit.FieldID("key"), Text: k.Error}}
}
