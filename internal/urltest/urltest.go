package urltest

import (
	"fmt"
	"net/url"
	"strings"
)

// Mutations of a redirect URI, none of which is the URI. For one of https a browser
// may be sent to none of them.
func Mutations(uri string) []string {
	u, _ := url.Parse(uri)
	var out []string
	for i := range len(uri) {
		out = append(out, uri[:i]+strings.ToUpper(uri[i:i+1])+uri[i+1:], uri[:i]+uri[i+1:], uri[:i]+fmt.Sprintf("%%%02x", uri[i])+uri[i+1:], uri[:i]+"\t"+uri[i:], uri[:i]+"\r\n"+uri[i:])
	}
	out = append(out,
		"", uri+"/", uri+"?", uri+"#", uri+"#f", uri+"?x=y", uri+"&x=y", uri+"%00", uri+"\x00", uri+".", uri+" ", " "+uri, uri+"\\", uri+"/..", uri+"/../x", uri+"/%2e%2e/", uri+"%2f", uri+"%252f", uri+";a=b",
		strings.Replace(uri, u.Host, u.Host+":443", 1), strings.Replace(uri, u.Host, u.Host+":1", 1), strings.Replace(uri, u.Host, u.Host+".", 1), strings.Replace(uri, u.Host, "user@"+u.Host, 1),
		strings.Replace(uri, u.Host, u.Host+"@evil.example", 1), strings.Replace(uri, u.Host, "evil.example/"+u.Host, 1), strings.Replace(uri, u.Host, u.Host+".evil.example", 1), strings.Replace(uri, u.Host, "evil-"+u.Host, 1),
		strings.Replace(uri, u.Host, "xn--"+u.Host, 1), strings.Replace(uri, "://", ":/", 1), strings.Replace(uri, "://", ":///", 1), strings.Replace(uri, "://", ":\\\\", 1), strings.Replace(uri, "https", "http", 1), strings.Replace(uri, "https:", "", 1),
		strings.Replace(uri, "a", "ａ", 1), strings.Replace(uri, "?", "%3f", 1), strings.Replace(uri, "b=2&a=1", "a=1&b=2", 1), strings.Replace(uri, "/cb", "//cb", 1), strings.Replace(uri, "/cb", "/./cb", 1),
		strings.Replace(uri, "/cb", "/x/../cb", 1), strings.Replace(uri, "/cb", "/%2e/cb", 1), "javascript:alert(1)//"+uri, "//"+u.Host+"/cb", "/"+uri, "https://evil.example/?"+uri)
	var changed []string
	for _, m := range out {
		if m != uri {
			changed = append(changed, m)
		}
	}
	return changed
}
