package grants

// Why a grant is not well, as a code. The words go with it into the row.
const (
	reasonRejected      = "invalid_grant"
	reasonLostAnswer    = "lost_answer"
	reasonNoRefresh     = "no_refresh_token"
	reasonRefused       = "refused_by_runtime"
	reasonLimited       = "rate_limited"
	reasonTemporary     = "provider_unavailable"
	reasonMisconfigured = "misconfigured"
	reasonUnusable      = "unusable_answer"
	reasonDisconnected  = "disconnected"
	reasonMassRevoke    = "mass_revoke"
)

const (
	wordsRejected   = "The provider does not accept the connection any more: it expired there, or was taken back."
	wordsLostAnswer = "The provider's answer to a refresh was lost on the way, and it does not accept the earlier token any more."
	wordsNoRefresh  = "The access token ended, and the provider gave no refresh token."
	wordsRefused    = "The runtime refused the token of this connection."
	wordsKeyRefused = "The runtime refused the key."
	wordsClientGone = "The client that the connection was made with is gone from the profile."
)
