package enduser

// DevicePage is GET and POST /device on a tenant's origin, where the person types the code that a device shows.
type DevicePage struct {
	// Page is the frame.
	Page Page
	// Code is the typed code.
	Code string
	// Error is the message about it; empty shows none.
	Error string
}

// DeviceConfirmPage asks whether the device with a code is the person's own.
type DeviceConfirmPage struct {
	// Page is the frame.
	Page Page
	// Code is as the device shows it: BCDF-GHJK.
	Code string
	// Identity is who asks.
	Identity Identity
	// Runtime is the runtime's display name.
	Runtime string
}
