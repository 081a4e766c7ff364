module github.com/emcy/gateway/sdk/go

go 1.25.0
